"""The end of a connection whose client does not answer, or sends what is no text."""

import asyncio
import logging

import pytest

from gateway import limits
from tests.fuzz.targets import HANDSHAKE, Transport, open_protocol


class Stuck(Transport):
    """A client that reads nothing: what is closed waits for it."""

    is_cut_off = False

    def abort(self) -> None:
        self.is_cut_off = True


async def until_it_is_cut_off(transport: Stuck) -> None:
    async with asyncio.timeout(60):
        while not transport.is_cut_off:  # noqa: ASYNC110 - the transport gives no event
            await asyncio.sleep(0.005)


async def test_who_answers_no_ping_is_told_and_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WS_ABORT_S", 0.01)
    transport = Stuck()
    protocol = open_protocol(transport)
    protocol.data_received(HANDSHAKE)
    await asyncio.sleep(0)
    protocol.keepalive_timeout()
    assert bytes(transport.written).endswith((1011).to_bytes(2) + b"keepalive ping timeout")
    assert (transport.is_closed, transport.is_cut_off) == (True, False)
    await until_it_is_cut_off(transport)
    protocol.connection_lost(None)
    await asyncio.sleep(0)


async def test_text_that_is_none_ends_the_connection_and_is_no_error_of_ours(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WS_ABORT_S", 0.01)
    transport = Stuck()
    protocol = open_protocol(transport)
    protocol.data_received(HANDSHAKE)
    await asyncio.sleep(0)
    with caplog.at_level(logging.INFO):
        protocol.data_received(b"\x81\x82\x00\x00\x00\x00\xff\xfe")  # a whole frame of text, masked by nothing
    assert bytes(transport.written).endswith(b"\x88\x02" + (1007).to_bytes(2))
    assert (transport.is_closed, transport.is_cut_off) == (True, False)
    assert caplog.records == []
    await until_it_is_cut_off(transport)
    protocol.connection_lost(None)
    await asyncio.sleep(0)
