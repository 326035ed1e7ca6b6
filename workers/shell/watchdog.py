"""Looks where the log ends, and ends a process that has work and makes no progress."""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from workers.shell.endings import Exit, WorkerError
from workers.shell.metrics import Progress
from workers.shell.settings import Settings

LOOK_EVERY_S: Final = 5
"""How often the ends of the inputs are asked for."""

_ANSWER_TIMEOUT_S: Final = 4


class Watchdog:
    """Looks at the shards of one process. The ends of the log come from another connection than the records."""

    def __init__(self, settings: Settings, watched: Progress) -> None:
        """Connects on first use."""
        self._watched = watched
        self._settings = settings
        self._admin: AdminClient | None = None
        self._progress: dict[int, tuple[dict[str, int], float]] = {}

    def look(self, now: Callable[[], float] = monotonic) -> WorkerError | None:
        """Ask for the ends of the inputs. Returns why the process shall end, None while all is well."""
        loop = self._watched.loop
        still = now() - loop.turned_at
        if still > self._settings.stall_timeout_s:
            return WorkerError(Exit.STALLED, f"{loop.at_work}: a batch has taken {still:.0f} s and is not done")
        seen = {number: dict(offsets) for number, offsets in dict(loop.seen).items()}
        self._watched.ends = ends = self._ends(seen)
        for number, offsets in seen.items():
            error = self._judge(number, offsets, ends, now())
            if error is not None:
                return error
        return None

    def _judge(
        self, number: int, seen: dict[str, int], ends: dict[tuple[str, int], int], now: float
    ) -> WorkerError | None:
        behind = {}
        for topic, offset in seen.items():
            lag = max(0, ends.get((topic, number), offset) - offset)
            if lag:
                behind[topic] = lag
        before, since = self._progress.get(number, ({}, now))
        if not behind or any(seen[topic] != before.get(topic) for topic in behind):
            self._progress[number] = (seen, now)
            return None
        if now - since <= self._settings.stall_timeout_s:
            return None
        where = f"{self._watched.stage} shard {number}"
        sentence = f"{where}: {behind} offsets are waiting, and nothing was read for {now - since:.0f} s"
        return WorkerError(Exit.STALLED, sentence)

    def _ends(self, seen: Mapping[int, Mapping[str, int]]) -> dict[tuple[str, int], int]:
        """Per topic (without the prefix) and shard: the offset after the last committed record; those that answered."""
        prefix = self._settings.prefix
        wanted = {
            TopicPartition(prefix + topic, number): OffsetSpec.latest()  # type: ignore[no-untyped-call]
            for number, offsets in seen.items()
            for topic in offsets
        }
        if not wanted:
            return {}
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self._settings.bootstrap, "log_level": 2})
        answers = self._admin.list_offsets(
            wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_ANSWER_TIMEOUT_S
        )
        ends = {}
        for partition, answer in answers.items():
            try:
                ends[partition.topic[len(prefix) :], partition.partition] = answer.result().offset
            except KafkaException:
                continue  # the broker is away; the shards will say so
        return ends
