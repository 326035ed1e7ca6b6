"""What waits for a client that does not read, and from where it resumes."""

import asyncio
import json
from typing import Any

import pytest

from gateway.stream.outbox import Outbox
from gateway.stream.wire import channel_message, json_message

TRADES = "trades:BTC-USD"


class Client:
    """One that reads nothing until it is told to."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.waits = asyncio.Event()
        self.got = b""

    async def send(self, event: Any) -> None:
        self.waits.set()
        await self.reads.wait()
        self.got += event["data"]


def update(sequence: int) -> Any:
    return channel_message(TRADES, sequence, sequence * 10, "update", None, json.dumps(sequence).encode())


def snapshot(channel: str, sequence: int | None) -> Any:
    return channel_message(channel, sequence, None, "snapshot", None, b"[]")


@pytest.fixture
async def client() -> Client:
    return Client()


@pytest.fixture
async def outbox(client: Client) -> Outbox:
    return Outbox(client.send, lambda _: None, lambda: None)


async def test_what_was_taken_to_be_written_and_was_not_is_resumed_too(client: Client, outbox: Outbox) -> None:
    writer = asyncio.create_task(outbox.run())
    outbox.deliver(update(5))
    await client.waits.wait()
    outbox.deliver(update(6))
    writer.cancel()
    assert outbox.unsent() == [{"channel": TRADES, "from_sequence": 4, "from_offset": 49}]
    assert outbox.end() == update(5).data + update(6).data
    assert (outbox.unsent(), outbox.end()) == ([], b"")


async def test_what_was_written_is_not_resumed(client: Client, outbox: Outbox) -> None:
    client.reads.set()
    writer = asyncio.create_task(outbox.run())
    outbox.deliver(update(5))
    await client.waits.wait()
    await asyncio.sleep(0)
    writer.cancel()
    outbox.deliver(update(6))
    assert client.got == update(5).data
    assert outbox.unsent() == [{"channel": TRADES, "from_sequence": 5, "from_offset": 59}]
    assert outbox.end() == update(6).data


async def test_a_channel_whose_snapshot_was_not_sent_begins_anew(outbox: Outbox) -> None:
    for message in (json_message({}), snapshot(TRADES, 5), update(6), snapshot("session:BTC-USD", None)):
        outbox.deliver(message)
    assert outbox.unsent() == [{"channel": TRADES}, {"channel": "session:BTC-USD"}]
