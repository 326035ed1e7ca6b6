"""What clients have missed and is no longer in memory, read from the log: hours back, within bounds."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from confluent_kafka import KafkaException, TopicPartition

from gateway import limits
from gateway.broker import Reach
from gateway.errors import ApiError, Code, unavailable
from gateway.rates import is_local
from gateway.reader import begin_offsets, edges_of, make_consumer, read_frames
from gateway.settings import Settings
from gateway.stream.channel import Place
from gateway.stream.hub import Hub
from gateway.stream.wire import Message, frame_message
from gateway.tally import Tally
from schemas.codec import Codec
from schemas.messages import Frame, FrameKind
from stream_topology.sharding import partition_of

Positioned = tuple[int, Frame]
"""Offset and frame."""
ReadBack = Callable[[str, Place], Sequence[Positioned] | None]
"""The updates of a channel after a place, to the end of the log; None where they are not there, or more than is read.
Blocks; raises KafkaException when the log is away."""

WINDOWS_MS: Final = (120_000, 600_000, 3_600_000, 6 * 3_600_000, 25 * 3_600_000)
"""How far back a sequence is looked for, step by step; the topic keeps a day."""
LOOK_S: Final = 0.01


class Replays:
    """Shared by the sessions of a process."""

    def __init__(
        self, hub: Hub, read_back: ReadBack, begins: Mapping[int, int], caught_up: asyncio.Event, shards: int
    ) -> None:
        """`begins`: the offset at which the hub began to listen, by partition of the stream. From there it hears what
        clients may have had already, until it has caught up.
        """
        self._hub = hub
        self._begins = begins
        self._caught_up = caught_up
        self._shards = shards
        self._read_back = read_back
        self._threads = ThreadPoolExecutor(limits.REPLAYS_AT_ONCE, "replay")
        self._asked = 0
        """Readings that wait or go on: a thread reads to its end, also for a client that has gone."""
        self._addresses = Tally()

    async def close(self) -> None:
        """Read nothing more; waits for what is being read."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    async def after(self, channel: str, place: Place, address: str) -> list[Message] | None:
        """What came after a place of a channel, as far as the hub has heard it too; None where that cannot be had.

        Raises ApiError when the log is away, or so many ask already, of that address or of all.
        """
        newest = self._hub.sequence(channel)
        if place.sequence is not None and newest is not None and newest - place.sequence > limits.REPLAY_FRAMES_MAX:
            return None
        if self._asked >= limits.REPLAYS_WAITING_MAX:
            raise ApiError(Code.SERVICE_UNAVAILABLE, "Too many clients resume from the log; try again.")
        most = limits.REPLAYS_PER_ADDRESS
        if not is_local(address) and not self._addresses.take(address, 1, most):
            raise ApiError(Code.LIMIT_EXCEEDED, f"An address may resume {most} channels from the log at a time.")
        self._asked += 1
        reading = self._threads.submit(self._read_back, channel, place)
        loop = asyncio.get_running_loop()
        reading.add_done_callback(lambda _: loop.call_soon_threadsafe(self._has_read, address))
        try:
            frames = await asyncio.wrap_future(reading)
        except KafkaException as error:
            raise unavailable("The log") from error
        if frames is None or not await self._is_heard(channel, place, frames):
            return None
        return [frame_message(frame, offset) for offset, frame in frames]

    def _has_read(self, address: str) -> None:
        self._asked -= 1
        if not is_local(address):
            self._addresses.give_back(address)

    async def _is_heard(self, channel: str, place: Place, frames: Sequence[Positioned]) -> bool:
        """Whether what follows these frames, or the place if there are none, will come from the hub: it may be a moment
        behind, or just have begun.
        """
        deadline_s = time.monotonic() + limits.REPLAY_S
        begin = self._begins.get(partition_of(channel, self._shards), 0)
        is_older = not frames or frames[-1][0] < begin
        newest = frames[-1][1].sequence if frames else place.sequence or 0
        while True:
            heard = self._hub.sequence(channel)
            # Of a channel that was not heard nothing has come by since the hub began.
            if self._caught_up.is_set() and (is_older if heard is None else heard >= newest):
                return True
            if time.monotonic() > deadline_s:
                return False
            await asyncio.sleep(LOOK_S)


def read_back(settings: Settings, codec: Codec, channel: str, place: Place) -> Sequence[Positioned] | None:
    """A ReadBack of the real log."""
    reading = _Reading(settings, codec, channel, place)
    try:
        return reading.from_offset(place.offset) if place.offset is not None else reading.from_sequence()
    except TimeoutError:
        return None
    finally:
        reading.consumer.close()


class _Reading:
    """One channel, read once. Raises TimeoutError where it takes too long, or finds too much."""

    def __init__(self, settings: Settings, codec: Codec, channel: str, place: Place) -> None:
        self._codec = codec
        self._channel = channel
        self._sequence = place.sequence
        self._topic = f"{settings.prefix}stream"
        self._partition = partition_of(channel, settings.shards)
        self._deadline_s = time.monotonic() + limits.REPLAY_S
        self.consumer = make_consumer(settings.kafka_bootstrap, Reach(settings.answer_ms))

    def from_offset(self, offset: int) -> Sequence[Positioned] | None:
        """What stands after an offset."""
        low, high = self._edges()
        if not low <= offset + 1 <= high:
            return None
        found = self._read(offset + 1, high)
        if not found:
            return []
        return following(found, found[0][1].sequence - 1 if self._sequence is None else self._sequence)

    def from_sequence(self) -> Sequence[Positioned] | None:
        """What came after a sequence, looked for further and further back."""
        _, end = self._edges()
        found: list[Positioned] = []
        for window_ms in WINDOWS_MS:
            first = begin_offsets(self.consumer, self._topic, [self._partition], window_ms)[self._partition]
            found = self._read(first, end) + found
            known = following(found, self._sequence or 0)
            if known is not None or len(found) > limits.REPLAY_FRAMES_MAX:
                return known
            end = first
        return None

    def _edges(self) -> tuple[int, int]:
        return edges_of(self.consumer, TopicPartition(self._topic, self._partition))

    def _read(self, first: int, end: int) -> list[Positioned]:
        if first >= end:
            return []
        found: list[Positioned] = []
        size = 0
        ranges = {self._partition: (first, end)}
        for offset, frame in read_frames(
            self.consumer, self._codec, self._topic, ranges, [self._channel], self._deadline_s
        ):
            if frame.kind is not FrameKind.UPDATE:
                continue
            if self._sequence is not None and frame.sequence <= self._sequence:
                found.clear()  # of those that the client has, the newest shows that nothing is missing
                size = 0
            found.append((offset, frame))
            size += len(frame.payload)
            if len(found) > limits.REPLAY_FRAMES_MAX or size > limits.REPLAY_BYTES_MAX:
                raise TimeoutError
        return found


def following(found: Sequence[Positioned], sequence: int) -> Sequence[Positioned] | None:
    """Those of a channel's frames that come after a sequence; None where there may be more, or it was never given."""
    later = [(offset, frame) for offset, frame in found if frame.sequence > sequence]
    first = later[0][1].sequence if later else found[-1][1].sequence + 1 if found else 0
    is_whole = all(frame.sequence == number for number, (_, frame) in enumerate(later, sequence + 1))
    return later if first == sequence + 1 and is_whole else None
