"""Backpressure: an order is refused before it is accepted where those before it wait too long, and never falsely."""

import asyncio
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from structlog.testing import capture_logs
from websockets.asyncio.client import connect

from gateway import limits
from gateway.errors import ApiError, Code
from gateway.pressure import Look, Pressure
from gateway.reader import ASK_S, edges_of
from stream_topology.sharding import partition_of
from tests.unit.gateway.test_session import ORDER, ask

SHARDS = 2
ALICE = partition_of("alice", SHARDS)
OTHER = next(name for name in "bcdefgh" if partition_of(name, SHARDS) != ALICE)


class Seen:
    """A pressure that is told what is seen, and a clock."""

    def __init__(self, **options: Any) -> None:
        self.now_s = 100.0
        self.pressure = Pressure(SHARDS, 5, clock_s=lambda: self.now_s, **options)
        self.read: list[tuple[int, int, int]] = []
        self.waits = True

    def look(self, end: int, done: int, *, after_s: float = 0.0) -> None:
        self.now_s += after_s
        look = Look({ALICE: end, 1 - ALICE: 7}, {ALICE: done, 1 - ALICE: 7})
        self.pressure.saw(look, self.is_waiting)

    def is_waiting(self, shard: int, first: int, end: int) -> bool:
        self.read.append((shard, first, end))
        return self.waits

    def refusal(self, account: str = "alice") -> ApiError | None:
        try:
            self.pressure.require(account)
        except ApiError as error:
            return error
        return None


def test_who_waits_for_longer_than_the_limit_is_refused_and_others_are_not() -> None:
    seen = Seen()
    seen.look(10, 10)
    seen.look(12, 10, after_s=1)
    for _ in range(5):
        seen.look(20, 10, after_s=1)
    assert seen.refusal() is None
    seen.look(20, 10, after_s=2)
    refusal = seen.refusal()
    assert refusal is not None
    assert (refusal.code, refusal.headers["retry-after"]) == (Code.SERVICE_UNAVAILABLE, "7")
    assert "nothing was done" in refusal.message
    assert seen.refusal(OTHER) is None
    assert seen.pressure.behind_s() == 7
    seen.look(20, 10, after_s=100)
    assert seen.refusal().headers["retry-after"] == str(limits.RISK_RETRY_S_MAX)  # type: ignore[union-attr]


def test_who_goes_on_is_not_behind_however_much_waits() -> None:
    seen = Seen()
    for number in range(100):
        seen.look(1_000_000 + number * 1_000, number * 50_000, after_s=1)
        if number > 30:
            assert seen.refusal() is None
    assert seen.pressure.behind_s() == 0


def test_a_backlog_that_shrinks_is_as_old_as_its_oldest_command() -> None:
    seen = Seen()
    for number in range(1, 11):
        seen.look(number * 100, 0, after_s=1)
    assert seen.refusal() is not None
    seen.look(1_000, 750, after_s=0)
    assert seen.pressure.behind_s() == 2
    assert seen.refusal() is None


def test_after_an_idle_time_nobody_is_behind() -> None:
    seen = Seen()
    seen.look(10, 10)
    seen.look(11, 10, after_s=10_000)
    assert seen.refusal() is None
    seen.look(11, 11, after_s=1)
    assert seen.pressure.behind_s() == 0
    seen.look(12, 11, after_s=10_000)  # no look was taken for long: the process was frozen
    assert seen.refusal() is None


def test_offsets_without_a_command_hold_nobody_back() -> None:
    seen = Seen()
    seen.waits = False
    seen.look(10, 8)
    seen.look(10, 8, after_s=6)
    assert seen.refusal() is None
    assert seen.read == [(ALICE, 8, 10)]
    seen.look(10, 8, after_s=6)
    assert (seen.refusal(), len(seen.read)) == (None, 1)  # known from then on
    seen.waits = True
    seen.look(11, 8, after_s=1)
    seen.look(11, 8, after_s=6)
    assert seen.refusal() is not None
    assert seen.read[1:] == [(ALICE, 10, 11)]


def test_too_many_commands_on_their_way_to_the_log_leave_room_for_cancels() -> None:
    in_flight = limits.ORDERS_IN_FLIGHT_MAX - 1
    seen = Seen(in_flight=lambda: in_flight)
    assert seen.refusal() is None
    in_flight += 1
    refusal = seen.refusal()
    assert refusal is not None
    assert (refusal.status, refusal.headers["retry-after"]) == (503, "1")
    assert limits.ORDERS_IN_FLIGHT_MAX < limits.COMMANDS_IN_FLIGHT_MAX


def test_a_broker_that_does_not_say_where_a_topic_ends_is_away() -> None:
    class Silent:
        def get_watermark_offsets(self, _partition: TopicPartition, *, timeout: float) -> None:
            assert timeout == ASK_S

    with pytest.raises(KafkaException):
        edges_of(Silent(), TopicPartition("t", 0))  # type: ignore[arg-type] # it has what is used


async def test_a_log_that_is_away_says_nothing_about_risk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RISK_LOOK_S", 0.001)
    seen = Seen()
    seen.look(10, 0)
    seen.look(10, 0, after_s=9)
    assert seen.refusal() is not None
    looks: list[int] = []

    class Commands:
        is_waiting = seen.is_waiting

        def look(self) -> Look:
            looks.append(1)
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    with capture_logs() as logged:
        following = asyncio.create_task(seen.pressure.follow(Commands()))
        while len(looks) < 3:  # noqa: ASYNC110 - the stand-in gives no event
            await asyncio.sleep(0.005)
        following.cancel()
    assert seen.refusal() is None
    assert [line["event"] for line in logged] == ["risk_unknown"]  # once


async def test_orders_are_refused_over_rest_and_websocket_and_cancels_are_not(served: Any, client: Any) -> None:
    clock_s = 0.0
    pressure = served.pressure
    pressure._clock_s = lambda: clock_s
    for clock_s in (0.0, 6.0):  # noqa: B007 - the clock reads it
        pressure.saw(Look({0: 5}, {0: 1}), lambda *_: True)
    headers = served.bearer()
    for answer in (
        await client.post("/api/v1/orders", json=ORDER, headers=headers),
        await client.post("/api/v1/orders/check", json=ORDER, headers=headers),
        await client.patch("/api/v1/orders/5", json={"price": "1"}, headers=headers),
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "6")
        assert answer.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
    batch = (await client.post("/api/v1/orders/batch", json={"orders": [ORDER]}, headers=headers)).json()
    assert batch["data"][0]["error"]["code"] == "SERVICE_UNAVAILABLE"
    async with connect(served.ws) as ws:
        await ask(ws, type="auth", token=served.token())
        for message in (
            {"type": "order.submit", "order": ORDER},
            {"type": "order.amend", "order_id": "5", "changes": {"price": "1"}},
        ):
            refused = await ask(ws, **message)
            assert (refused["error"]["code"], refused["retry_after"]) == ("SERVICE_UNAVAILABLE", 6)
        assert served.log.commands == []
        await ask(ws, type="order.cancel", order_id="5")
    assert (await client.delete("/api/v1/orders", headers=headers)).status_code == 202
    assert [command.kind for command in served.log.commands] == ["CANCEL", "CANCEL_ALL"]
    pressure.saw(Look({0: 5}, {0: 5}), lambda *_: True)
    assert (await client.post("/api/v1/orders", json=ORDER, headers=headers)).status_code == 202
