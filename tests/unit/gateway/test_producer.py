"""Commands to the log when it is slow, away or wrong; a real broker is in the integration tests."""

import asyncio
import socket
import time
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import KafkaError

from gateway import limits
from gateway.errors import ApiError, Code
from gateway.producer import CommandProducer
from gateway.settings import Settings, load
from schemas.seal import seal_hmac
from schemas.units import make_id
from stream_topology.sharding import partition_of

ENOUGH = {"JWT_SECRET": "s" * 32, "DB_PASSWORD": "p", "GATEWAY_SEAL_SECRETS": "gateway-1:" + "ab" * 32}


def settings(bootstrap: str = "127.0.0.1:1") -> Settings:
    return load(ENOUGH | {"KAFKA_BOOTSTRAP": bootstrap})


class Record:
    def __init__(self, partition: int, offset: int) -> None:
        self._at = (partition, offset)

    def partition(self) -> int:
        return self._at[0]

    def offset(self) -> int:
        return self._at[1]


class StandInProducer:
    """librdkafka's producer as far as it is used; the test decides what is delivered."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.produced: list[dict[str, Any]] = []
        self.events: list[Any] = [lambda: config["stats_cb"]('{"brokers":{"a":{"state":"UP"}}}')]

    def produce(self, topic: str, value: bytes, key: bytes, partition: int, **rest: Any) -> None:
        self.produced.append({"topic": topic, "value": value, "key": key, "partition": partition} | rest)

    def deliver(self, number: int, error: KafkaError | None = None) -> None:
        produced = self.produced[number]
        self.events.append(lambda: produced["on_delivery"](error, Record(produced["partition"], 40 + number)))

    def poll(self, _timeout: float) -> None:
        while self.events:
            self.events.pop(0)()

    def flush(self, _timeout: float) -> None:
        self.poll(0)


@pytest.fixture
async def stand_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    made: list[StandInProducer] = []

    def make(config: dict[str, Any]) -> StandInProducer:
        made.append(StandInProducer(config))
        return made[-1]

    monkeypatch.setattr("gateway.producer.Producer", make)
    producer = CommandProducer(settings())
    yield producer, made
    producer.close()


async def test_a_command_is_sealed_and_its_position_is_its_id(stand_in: Any) -> None:
    producer, (kafka,) = stand_in
    first, second = producer.send("alice", b"one", "trace"), producer.send("bob", b"two", "trace")
    shard = partition_of("alice", 4)
    kafka.deliver(1)
    kafka.deliver(0)
    assert await first == shard << 48 | 40
    assert await second == partition_of("bob", 4) << 48 | 41
    produced = kafka.produced[0]
    assert (produced["topic"], produced["key"], produced["partition"]) == ("tradsys.commands", b"alice", shard)
    assert dict(produced["headers"]) == {
        "seal_key": b"gateway-1",
        "seal": seal_hmac(b"\xab" * 32, b"one"),
        "correlation_id": b"trace",
    }
    assert producer.in_flight == 0


async def test_without_an_acknowledgement_the_outcome_is_unknown_within_a_second(stand_in: Any) -> None:
    producer, (kafka,) = stand_in
    started = time.monotonic()
    with pytest.raises(ApiError) as refused:
        await producer.send("alice", b"one", "trace")
    assert refused.value.code is Code.OUTCOME_UNKNOWN
    assert time.monotonic() - started >= limits.ANSWER_MS / 1_000
    kafka.deliver(0)  # an acknowledgement after the deadline harms nothing
    await asyncio.sleep(0.06)
    assert producer.in_flight == 0
    assert limits.ANSWER_MS < 1_000


async def test_a_log_that_may_take_longer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[StandInProducer] = []
    monkeypatch.setattr("gateway.producer.Producer", lambda config: made.append(StandInProducer(config)) or made[0])
    producer = CommandProducer(replace(settings(), answer_ms=5_000))
    acknowledged = producer.send("alice", b"one", "trace")
    assert await asyncio.wait({acknowledged}, timeout=limits.ANSWER_MS / 1_000 + 0.1) == (set(), {acknowledged})
    made[0].deliver(0)
    assert await acknowledged == make_id(partition_of("alice", 4), 40)
    assert made[0].config["message.timeout.ms"] == made[0].config["socket.timeout.ms"] == 5_000
    producer.close()


async def test_a_refusal_of_the_broker_is_certain_only_where_nothing_was_sent(stand_in: Any) -> None:
    producer, (kafka,) = stand_in
    for number, (code, expected) in enumerate(
        [
            (KafkaError._MSG_TIMED_OUT, Code.OUTCOME_UNKNOWN),
            (KafkaError._UNKNOWN_PARTITION, Code.SERVICE_UNAVAILABLE),
            (KafkaError.TOPIC_AUTHORIZATION_FAILED, Code.SERVICE_UNAVAILABLE),
        ]
    ):
        future = producer.send("alice", b"one", "trace")
        kafka.deliver(number, KafkaError(code))
        with pytest.raises(ApiError) as refused:
            await future
        assert refused.value.code is expected


async def test_commands_in_flight_are_bounded(stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    producer, _ = stand_in
    monkeypatch.setattr(limits, "COMMANDS_IN_FLIGHT_MAX", 3)
    futures = [producer.send("alice", b"one", "trace") for _ in range(3)]
    with pytest.raises(ApiError) as refused:
        producer.send("alice", b"one", "trace")
    assert refused.value.code is Code.SERVICE_UNAVAILABLE
    await asyncio.gather(*futures, return_exceptions=True)


async def test_when_all_brokers_are_down_nothing_is_handed_over(stand_in: Any) -> None:
    producer, (kafka,) = stand_in
    kafka.events.append(lambda: kafka.config["error_cb"](KafkaError(KafkaError._ALL_BROKERS_DOWN)))
    await until(lambda: not producer.broker_is_up)
    with pytest.raises(ApiError) as refused:
        producer.send("alice", b"one", "trace")
    assert (refused.value.code, refused.value.headers["retry-after"]) == (Code.SERVICE_UNAVAILABLE, "1")
    assert kafka.produced == []
    kafka.events.append(lambda: kafka.config["stats_cb"]('{"brokers":{"a":{"state":"UP"}}}'))
    await until(lambda: producer.broker_is_up)
    kafka.deliver(0) if kafka.produced else None


async def test_a_fenced_session_is_replaced(stand_in: Any) -> None:
    producer, made = stand_in
    lost = producer.send("alice", b"one", "trace")
    made[0].events.append(lambda: made[0].config["error_cb"](KafkaError(KafkaError._FATAL, "fenced", True)))
    await until(lambda: len(made) == 2)
    await until(lambda: producer.broker_is_up)
    assert producer.in_flight == 0
    future = producer.send("alice", b"two", "trace")
    made[1].deliver(0)
    assert await future
    with pytest.raises(ApiError):
        await lost


async def test_a_server_that_never_answers_is_no_broker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        producer = CommandProducer(settings(f"127.0.0.1:{silent.getsockname()[1]}"))
        connection, _ = await asyncio.to_thread(silent.accept)
        with connection, pytest.raises(ApiError) as refused:
            producer.send("alice", b"one", "trace")
        assert refused.value.code is Code.SERVICE_UNAVAILABLE
        producer.close()


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the condition is another part's
            await asyncio.sleep(0.005)
