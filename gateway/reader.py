"""Reads `control` and `stream` from the log, beside the event loop, and hands messages over in batches.

The stream is read from a minute ago: fanout writes a snapshot of each book that changes twice a minute. Books that were
quiet for longer are looked for further back, step by step, to the end of what the topic keeps.
"""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar

import structlog
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from gateway.broker import UNREACHABLE, Reach
from gateway.settings import Settings
from schemas.codec import Codec, CodecError
from schemas.messages import Frame, FrameKind, Message
from stream_topology.sharding import partition_of

T = TypeVar("T", bound=Message)

BATCH_MAX: Final = 1_000
"""Records decoded at a time."""
BATCHES_AHEAD_MAX: Final = 8
"""Batches handed over and not yet taken by the event loop; at the limit the reader waits."""
WAIT_S: Final = 0.5
ASK_S: Final = 2.0
"""For one answer of a broker."""
SILENCE_S_MAX: Final = 5.0
"""A search that gets nothing for so long is given up."""
STATISTICS_MS: Final = 1_000
WINDOW_MS: Final = 60_000
LOOK_BACK_MS: Final = (600_000, 3_600_000, 6 * 3_600_000, 25 * 3_600_000)
"""How far back a quiet book is looked for, step by step; the topic keeps a day."""

_log: Final = structlog.get_logger("gateway.reader")


class LogReader(Generic[T]):
    """Reads one topic of one record type, from a place on, for as long as the process lives."""

    def __init__(
        self,
        settings: Settings,
        codec: Codec,
        topic: str,
        record: type[T],
        take: Callable[[list[T], list[int]], None],
        *,
        partitions: Sequence[int],
        window_ms: int | None,
    ) -> None:
        """`take` gets messages and their offsets, in the event loop. A window of None reads from the beginning."""
        self._topic = f"{settings.prefix}{topic}"
        self._bootstrap = settings.kafka_bootstrap
        self._codec = codec
        self._record = record
        self._take = take
        self._partitions = partitions
        self._window_ms = window_ms
        self._loop = asyncio.get_running_loop()
        self._ahead = threading.Semaphore(BATCHES_AHEAD_MAX)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"reader-{topic}", daemon=True)
        self._behind = set(partitions)
        self._has_reached = False
        self.caught_up = asyncio.Event()
        """Set in the event loop once the end of the topic was reached."""
        self.begins: dict[int, int] = {}
        """Where reading began, by partition; complete when `caught_up` is set."""
        self._reach = Reach(settings.answer_ms)
        self._trouble = "not read yet"

    @property
    def trouble(self) -> str:
        """Why nothing is read at the moment; empty when all is well."""
        return self._trouble or ("" if self._reach.is_up else UNREACHABLE)

    def start(self) -> None:
        """Read, in a thread, until `close`; a log that is away is asked again until it answers."""
        self._thread.start()

    def close(self) -> None:
        """Stop reading; waits for the thread."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join(2 * WAIT_S)

    def _run(self) -> None:
        consumer = make_consumer(self._bootstrap, self._reach)
        try:
            while not self._ends.is_set() and not self._assign(consumer):
                self._ends.wait(WAIT_S)
            while not self._ends.is_set():
                self._read(consumer)
        finally:
            consumer.close()

    def _assign(self, consumer: Consumer) -> bool:
        try:
            self.begins.update(begin_offsets(consumer, self._topic, self._partitions, self._window_ms))
        except KafkaException as error:
            self._trouble = error.args[0].str()
            return False
        consumer.assign([TopicPartition(self._topic, partition, at) for partition, at in self.begins.items()])
        return True

    def _read(self, consumer: Consumer) -> None:
        messages: list[T] = []
        offsets: list[int] = []
        for record in available(consumer):
            error = record.error()
            if error is None:
                self._trouble = ""
                if (message := decode(self._codec, record, self._record)) is not None:
                    messages.append(message)
                    offsets.append(record.offset())
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's names begin with _
                self._trouble = ""
                self._behind.discard(record.partition())
            else:
                self._trouble = error.str()
        reached = not self._behind and not self._has_reached
        if messages or reached:
            self._has_reached |= reached
            while not self._ahead.acquire(timeout=WAIT_S):
                if self._ends.is_set():
                    return
            self._loop.call_soon_threadsafe(self._hand_over, messages, offsets, self._has_reached)

    def _hand_over(self, messages: list[T], offsets: list[int], is_caught_up: bool) -> None:  # noqa: FBT001 - call_soon takes no keywords
        self._ahead.release()
        if messages:
            self._take(messages, offsets)
        if is_caught_up:
            self.caught_up.set()


def look_back(
    settings: Settings,
    codec: Codec,
    channels: Iterable[str],
    before: dict[int, int],
    found: Callable[[list[Frame]], None],
) -> None:
    """Find the newest state of channels in the part of the stream before these offsets. Blocks; runs in a thread.

    `found` gets the frames of one channel in order: for a book from its newest snapshot on, else the newest one.
    Raises KafkaException when the log is away.
    """
    missing: dict[str, list[Frame]] = {name: [] for name in channels}
    topic = f"{settings.prefix}stream"
    consumer = make_consumer(settings.kafka_bootstrap, Reach(settings.answer_ms))
    try:
        for window_ms in LOOK_BACK_MS:
            partitions = sorted({partition_of(name, settings.shards) for name in missing})
            begins = begin_offsets(consumer, topic, partitions, window_ms)
            ranges = {at: (begins[at], before[at]) for at in partitions if begins[at] < before[at]}
            earlier = {name: list[Frame]() for name in missing}
            for _, frame in read_frames(consumer, codec, topic, ranges, earlier.keys()):
                frames = earlier[frame.channel]
                if frame.kind is FrameKind.SNAPSHOT or not frame.channel.startswith("book:"):
                    frames.clear()
                frames.append(frame)
            for name, frames in earlier.items():
                missing[name] = frames + missing[name]
                if frames and (frames[0].kind is FrameKind.SNAPSHOT or not name.startswith("book:")):
                    found(missing.pop(name))
            before = before | begins
            if not missing:
                return
    finally:
        consumer.close()


def make_consumer(bootstrap: str, reach: Reach, group: str = "tradsys-gateway-unused") -> Consumer:
    """A reader of committed records; a member of no group, though it may ask what one has committed."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "client.id": "tradsys-gateway",
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 500,
            "fetch.error.backoff.ms": 50,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1_000,
            "queued.max.messages.kbytes": 16_384,
            "log_level": 0,
            **reach.options(STATISTICS_MS),
        }
    )


def available(consumer: Consumer) -> Iterable[Any]:
    """The records that are there, waiting for the first. (`consume` alone waits until the batch is full)."""
    first = consumer.poll(WAIT_S)
    return [] if first is None else [first, *consumer.consume(BATCH_MAX - 1, 0)]


def edges_of(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    """The first offset that is kept, and the one after the last. Raises KafkaException when the log is away."""
    edges = consumer.get_watermark_offsets(partition, timeout=ASK_S)
    if edges is None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - the library's name begins with _
    return edges


def begin_offsets(consumer: Consumer, topic: str, partitions: Sequence[int], window_ms: int | None) -> dict[int, int]:
    """The offset from which to read each partition. Raises KafkaException when the log is away."""
    edges = {at: edges_of(consumer, TopicPartition(topic, at)) for at in partitions}
    if window_ms is None:
        return {at: low for at, (low, _) in edges.items()}
    since_ms = time.time_ns() // 1_000_000 - window_ms
    asked = consumer.offsets_for_times([TopicPartition(topic, at, since_ms) for at in partitions], timeout=ASK_S)
    begins = {}
    for answer in asked:
        if answer.error is not None:
            raise KafkaException(answer.error)
        low, high = edges[answer.partition]
        begins[answer.partition] = {OFFSET_END: high, OFFSET_BEGINNING: low}.get(answer.offset, answer.offset)
    return begins


def decode(codec: Codec, record: Any, kind: type[T]) -> T | None:
    """The message in a record; None, and a line in the log, for what cannot be read."""
    try:
        message = codec.decode(record.value() or b"", kind.__name__)
    except CodecError as error:
        _log.warning(
            "record_unreadable",
            topic=record.topic(),
            partition=record.partition(),
            offset=record.offset(),
            reason=str(error.reason),
            detail=str(error),
        )
        return None
    assert isinstance(message, kind)
    return message


def read_frames(
    consumer: Consumer,
    codec: Codec,
    topic: str,
    ranges: dict[int, tuple[int, int]],
    names: Iterable[str],
    deadline_s: float = math.inf,
) -> Iterator[tuple[int, Frame]]:
    """The frames of some channels in ranges [first, end) of partitions, each with its offset. Raises TimeoutError at a
    deadline of the monotonic clock.
    """
    wanted = {name.encode() for name in names}
    open_ends = {partition: end for partition, (_, end) in ranges.items()}
    consumer.assign([TopicPartition(topic, partition, first) for partition, (first, _) in ranges.items()])
    heard = time.monotonic()
    while open_ends:
        if time.monotonic() - heard > SILENCE_S_MAX:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - the library's name begins with _
        if time.monotonic() > deadline_s:
            raise TimeoutError
        for record in available(consumer):
            heard = time.monotonic()
            partition, offset = record.partition(), record.offset()
            assert partition is not None
            assert offset is not None
            error = record.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's name
                raise KafkaException(error)
            if error is not None or offset >= open_ends.get(partition, 0):
                open_ends.pop(partition, None)
            elif record.key() in wanted and (frame := decode(codec, record, Frame)) is not None:
                yield offset, frame
