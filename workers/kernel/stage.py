"""The contract between a stage's core and whatever runs it."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from schemas.messages import Message

Headers = tuple[tuple[str, bytes], ...]


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record of the log, as bytes."""

    topic: str
    """Without the prefix."""
    partition: int
    offset: int
    ts_us: int
    """The record's timestamp in the log, microseconds since 1970 UTC."""
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Input(msgspec.Struct, frozen=True, gc=False):
    """One decoded record, as a core sees it. Its position and time are the only identity and clock that a core has."""

    topic: str
    shard: int
    offset: int
    ts_us: int
    key: str
    message: Message
    value: bytes
    """The record's whole value: what a seal signs."""
    headers: Headers = ()


class Output(msgspec.Struct, frozen=True, gc=False):
    """One record that a core wants written. The topic's key rule decides the partition."""

    topic: str
    key: str
    message: Message


class Core(Protocol):
    """What a stage does: a deterministic fold of its inputs.

    The same inputs in the same order give the same outputs and state, whatever the batches, the process or the machine.
    A broken invariant raises: the process ends and nothing of the batch is published.
    """

    behaviour: int
    """Raised whenever the same inputs would give other outputs or another state than before."""

    def apply(self, record: Input) -> Sequence[Output]:
        """Fold one input into the state and say what follows from it."""

    def dump(self) -> bytes:
        """The whole state. Equal states give equal bytes."""

    def load(self, state: bytes, behaviour: int) -> None:
        """Replace the state by one that `dump` of that behaviour version gave."""


class CoreFactory(Protocol):
    """Makes the core of one shard, in its initial state."""

    def __call__(self, shard: int, shards: int) -> Core:
        """The core of shard `shard` of `shards`."""
