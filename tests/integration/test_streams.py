"""What clients of the stream see with the whole platform running: portfolios and alerts, and resuming from the log."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect

from gateway import limits
from gateway.settings import load
from gateway.stream.channel import Place
from gateway.stream.replays import read_back
from schemas.messages import AccountStatus, Control, ControlKind, ExecutionKind, Frame
from stream_topology.decisions import write_decisions
from tests.integration.venue import Venue, open_venue, until
from tradsys.demo.flow import SYMBOL

pytestmark = pytest.mark.timeout(300)

HEARD_S = 60


@pytest.fixture(scope="module")
def venue() -> Iterator[Venue]:
    with open_venue() as opened:
        yield opened


@asynccontextmanager
async def connected(venue: Venue) -> AsyncIterator[ClientConnection]:
    """A connection of alice."""
    async with connect(venue.settings.gateway_url.replace("http", "ws", 1) + "/ws") as ws:
        await ask(ws, {"type": "auth", "token": venue.tokens["alice"]})
        yield ws


async def ask(ws: ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    await ws.send(json.dumps(message))
    return await hear(ws, lambda _: True)


async def hear(ws: ClientConnection, is_meant: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The next message that is meant."""
    async with asyncio.timeout(HEARD_S):
        while True:
            message: dict[str, Any] = json.loads(await ws.recv())
            if is_meant(message):
                return message


async def subscribe(ws: ClientConnection, channel: str, **place: int) -> dict[str, Any]:
    await ws.send(json.dumps({"type": "marketdata.subscribe", "channel": channel, **place}))
    return await hear(ws, lambda one: one["type"] in {"marketdata.subscribed", "error"})


def decide(venue: Venue, status: AccountStatus) -> None:
    """The operator changes how alice may trade."""
    made = next(
        control
        for record in venue.log.records("control")
        if isinstance(control := venue.codec.decode(record.value or b"", "Control"), Control)
        and (control.kind, control.account) == (ControlKind.ACCOUNT, "alice")
    )
    changed = replace(made, control_id=f"alice-{status}", account_status=status)
    write_decisions(
        venue.settings.kafka_bootstrap,
        venue.settings.topic_prefix,
        venue.settings.shards,
        [venue.codec.encode(changed)],
    )


async def test_a_portfolio_follows_trades_and_an_alert_the_operator(venue: Venue) -> None:
    await asyncio.to_thread(venue.trade)
    async with connected(venue) as ws:
        await subscribe(ws, "portfolio")
        first = await hear(ws, lambda one: bool(one["data"] and one["data"]["positions"]))
        assert first["channel"] == "portfolio:alice"
        held = first["data"]["positions"][0]["quantity"]
        balances = {one["currency"]: one["balance"] for one in first["data"]["balances"]}
        (worth,) = first["data"]["margin"]
        assert (worth["currency"], balances.keys()) == ("USD", {"BTC", "USD"})
        await asyncio.to_thread(venue.trade)
        later = await hear(ws, lambda one: one["data"]["positions"][0]["quantity"] != held)
        assert later["sequence"] > first["sequence"]
        rows = venue.get("/api/v1/balances").json()["data"]
        assert {one["currency"] for one in rows} == balances.keys()
        await subscribe(ws, "alerts")
        await asyncio.to_thread(decide, venue, AccountStatus.REDUCING)
        alert = await hear(ws, lambda one: one.get("channel") == "alerts:alice" and one["kind"] == "update")
        assert (alert["type"], alert["data"]["status"]) == ("alert", "reducing")
        await asyncio.to_thread(decide, venue, AccountStatus.ACTIVE)
        alert = await hear(ws, lambda one: one.get("channel") == "alerts:alice")
        assert (alert["data"]["status"], alert["data"]["reason"]) == ("active", "NONE")


async def test_a_client_resumes_at_a_gateway_that_was_restarted_in_between(venue: Venue) -> None:
    channels = ["orders", f"trades:{SYMBOL}"]
    last: dict[str, dict[str, Any]] = {}
    async with connected(venue) as ws:
        for channel in channels:
            await subscribe(ws, channel)
            last[channel] = await hear(ws, lambda one: one.get("kind") == "snapshot")
        order_id = await asyncio.to_thread(venue.trade)
        while last["orders"]["kind"] == "snapshot" or last["orders"]["data"]["status"] != "filled":
            message = await hear(ws, lambda one: one.get("kind") == "update")
            last["orders" if message["channel"] == "orders:alice" else channels[1]] = message
        assert last["orders"]["data"]["order_id"] == str(order_id)
        if last[channels[1]]["kind"] == "snapshot":
            last[channels[1]] = await hear(ws, lambda one: one["channel"] == channels[1])
    missed = [await asyncio.to_thread(venue.trade) for _ in range(3)]
    before = venue.pids()["gateway"]
    venue.kill("gateway")
    await asyncio.to_thread(until, lambda: venue.pids()["gateway"] not in {0, before}, "no gateway")
    await asyncio.to_thread(venue.until_ready)
    await asyncio.to_thread(venue.trade)
    async with connected(venue) as ws:
        for place in ("from_sequence", "from_offset"):
            at = {"from_sequence": "sequence", "from_offset": "offset"}[place]
            told = await subscribe(ws, "orders", **{place: last["orders"][at]})
            assert told["resumed"] is True
            filled: list[int] = []
            sequence = last["orders"]["sequence"]
            while len(filled) < 4:
                message = await hear(ws, lambda _: True)
                assert (message["sequence"], message["kind"]) == (sequence + 1, "update")
                sequence += 1
                if message["data"]["status"] == "filled":
                    filled.append(int(message["data"]["order_id"]))
            assert filled[:3] == missed
        told = await subscribe(ws, channels[1], from_sequence=last[channels[1]]["sequence"])
        assert told["resumed"] is True
        numbers = [(await hear(ws, lambda one: one["channel"] == channels[1]))["sequence"] for _ in range(4)]
        assert numbers == [last[channels[1]]["sequence"] + number for number in range(1, 5)]
        await asyncio.to_thread(venue.trade)
        assert (await hear(ws, lambda one: one["channel"] == channels[1]))["sequence"] == numbers[-1] + 1
        # A place that never was: the answer says so, and the channel begins anew.
        told = await subscribe(ws, channels[1], from_sequence=10**9)
        assert (told["resumed"], "message" in told) == (False, True)
        assert (await hear(ws, lambda one: one["channel"] == channels[1]))["kind"] == "snapshot"


def test_the_log_gives_back_each_channel_from_any_place(venue: Venue) -> None:
    for _ in range(3):
        venue.trade()
    settings = load(venue.settings.environment())
    channel = "orders:alice"
    said = [
        (record.offset, frame)
        for record in venue.log.records("stream")
        if isinstance(frame := venue.codec.decode(record.value or b"", "Frame"), Frame) and frame.channel == channel
    ]
    assert len(said) >= 6

    def given(sequence: int | None = None, offset: int | None = None) -> list[int] | None:
        found = read_back(settings, venue.codec, channel, Place(sequence, offset))
        if found is None:
            return None
        assert list(found) == said[len(said) - len(found) :]
        return [frame.sequence for _, frame in found]

    newest = len(said)
    assert [frame.sequence for _, frame in said] == list(range(1, newest + 1))
    assert given(sequence=0) == list(range(1, newest + 1))
    assert given(sequence=newest - 2) == [newest - 1, newest]
    assert given(sequence=newest) == []
    assert given(sequence=newest + 1) is None
    assert given(offset=said[2][0]) == list(range(4, newest + 1))
    assert given(sequence=3, offset=said[2][0]) == list(range(4, newest + 1))
    assert given(offset=said[3][0] - 1) == list(range(4, newest + 1))
    assert given(sequence=2, offset=said[3][0]) is None  # the third stands before
    assert given(offset=said[-1][0]) == []
    assert given(offset=10**9) is None


def test_orders_are_refused_while_risk_hangs_and_none_is_lost(venue: Venue) -> None:
    venue.trade()
    accepted: list[int] = []
    with venue.frozen("risk"):

        def refused() -> httpx.Response | None:
            answer = venue.place("alice", venue.unique(), wait_ms=0)
            if answer.status_code == 202:
                accepted.append(int(answer.json()["data"]["order_id"]))
                return None
            return answer

        answer = until(refused, "orders are accepted though risk hangs")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert int(answer.headers["retry-after"]) >= limits.RISK_LAG_S
        assert "Pre-trade risk is" in answer.json()["error"]["message"]
        assert accepted
        # What is there may be taken back, and what others trade on another shard goes on being accepted.
        assert venue.cancel("alice", accepted[0], wait_ms=0).status_code == 202
        if venue.shard("bob") != venue.shard("alice"):
            assert venue.place("bob", venue.unique(), wait_ms=0).status_code == 202
    until(lambda: venue.place("alice", venue.unique(), wait_ms=0).status_code == 202, "orders are not accepted again")
    for order_id in accepted:
        assert venue.answer(order_id).kind is ExecutionKind.NEW
    venue.trade()
