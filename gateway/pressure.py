"""Backpressure: how far pre-trade risk is behind, so that an order is refused before it waits for who knows how long.

Risk's place is what its consumer group has committed of `commands`, with its answers; the end of the topic is asked for
before that. A shard is behind since the first look whose end risk has not reached yet. So a venue
that was idle is behind by nothing, and offsets without a command (the marks of transactions) are found out by reading
them before anybody is refused for them.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from gateway import limits
from gateway.broker import Reach
from gateway.errors import ApiError, Code
from gateway.reader import ASK_S, edges_of, make_consumer
from gateway.settings import Settings
from stream_topology.sharding import partition_of

RISK: Final = "risk"
"""The stage; its consumer group is called so, after the prefix."""
READ_S: Final = 1.0
LOOKS_KEPT: Final = 2_400
"""Ten minutes of them: a shard that is further behind than that counts as so far."""

_log: Final = structlog.get_logger("gateway.pressure")


class Look(NamedTuple):
    """Where commands end and where risk is, by shard."""

    ends: Mapping[int, int]
    done: Mapping[int, int]


class Commands(Protocol):
    """What can be seen of the topic. Both block, and raise KafkaException when the log is away."""

    def look(self) -> Look:
        """The ends first, then what is done."""

    def is_waiting(self, shard: int, first: int, end: int) -> bool:
        """Whether a command stands in [first, end)."""


class Pressure:
    """How far behind each shard of risk is."""

    def __init__(
        self,
        shards: int,
        lag_s_max: float = limits.RISK_LAG_S,
        in_flight: Callable[[], int] = lambda: 0,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """How far behind risk may be, and how many commands are on their way to the log."""
        self._lag_s_max = lag_s_max
        self._shards = shards
        self._in_flight = in_flight
        self._clock_s = clock_s
        self._looks: deque[tuple[float, Mapping[int, int]]] = deque(maxlen=LOOKS_KEPT)
        """When a look was taken, and the ends that it found; oldest first."""
        self._behind_s: dict[int, float] = {}
        self._passed: dict[int, int] = {}
        """By shard: an offset before which nothing waits, though risk has not committed it."""

    def require(self, account: str) -> None:
        """Raises ApiError where an order of an account would wait too long."""
        if self._in_flight() >= limits.ORDERS_IN_FLIGHT_MAX:
            raise ApiError(Code.SERVICE_UNAVAILABLE, "Too many commands are on their way to the log; try again.")
        if not self._behind_s:
            return
        behind_s = self._behind_s.get(partition_of(account, self._shards), 0.0)
        if behind_s > self._lag_s_max:
            raise ApiError(
                Code.SERVICE_UNAVAILABLE,
                f"Pre-trade risk is {behind_s:.0f} s behind, so that an order would wait; nothing was done, try again.",
                retry_after_s=min(max(1, round(behind_s)), limits.RISK_RETRY_S_MAX),
            )

    def behind_s(self) -> float:
        """The shard that is furthest behind, in seconds."""
        return max(self._behind_s.values(), default=0.0)

    def saw(self, look: Look, is_waiting: Callable[[int, int, int], bool]) -> None:
        """Reckon with a look that was just taken; `is_waiting` is asked about shards that seem to be too far behind."""
        now_s = self._clock_s()
        self._looks.append((now_s, look.ends))
        behind_s = {}
        for shard, end in look.ends.items():
            done = max(look.done.get(shard, 0), self._passed.get(shard, 0))
            if done >= end:
                continue
            since_s = next(at_s for at_s, ends in self._looks if ends.get(shard, 0) > done)
            if now_s - since_s > self._lag_s_max and not is_waiting(shard, done, end):
                self._passed[shard] = end
                continue
            behind_s[shard] = now_s - since_s
        self._behind_s = behind_s

    def unknown(self) -> None:
        """Nobody knows, so nobody is refused for it."""
        self._looks.clear()
        self._behind_s = {}

    async def follow(self, commands: Commands) -> None:
        """Look again and again, for as long as the process lives."""
        knows = True
        try:
            while True:
                try:
                    look = await asyncio.to_thread(commands.look)
                    await asyncio.to_thread(self.saw, look, commands.is_waiting)
                    knows = True
                except KafkaException as error:
                    self.unknown()
                    if knows:
                        _log.warning("risk_unknown", detail=error.args[0].str())
                    knows = False
                await asyncio.sleep(limits.RISK_LOOK_S)
        finally:
            self.unknown()  # who does not look does not know


class KafkaCommands:
    """Implements Commands."""

    def __init__(self, settings: Settings) -> None:
        """Connects with the first look. It is a member of no group: it only asks what risk's has committed."""
        self._topic = f"{settings.prefix}commands"
        self._partitions = [TopicPartition(self._topic, shard) for shard in range(settings.shards)]
        self._bootstrap = settings.kafka_bootstrap
        self._consumer: Consumer = make_consumer(self._bootstrap, Reach(settings.answer_ms), f"{settings.prefix}{RISK}")

    def look(self) -> Look:
        """The ends first, then what is done."""
        ends, lows = {}, {}
        for partition in self._partitions:
            lows[partition.partition], ends[partition.partition] = edges_of(self._consumer, partition)
        done = {}
        for answer in self._consumer.committed(self._partitions, timeout=ASK_S):
            if answer.error is not None:
                raise KafkaException(answer.error)
            done[answer.partition] = answer.offset if answer.offset >= 0 else lows[answer.partition]
        return Look(ends, done)

    def is_waiting(self, shard: int, first: int, end: int) -> bool:
        """Whether a command stands in [first, end)."""
        self._consumer.assign([TopicPartition(self._topic, shard, first)])
        try:
            deadline_s = time.monotonic() + READ_S
            while time.monotonic() < deadline_s:
                record = self._consumer.poll(READ_S)
                if record is None:
                    continue
                if record.error() is not None:
                    return False  # the end of the partition
                offset = record.offset()
                return offset is not None and offset < end
            return True
        finally:
            self._consumer.unassign()
