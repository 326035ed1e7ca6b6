"""A log's records, decoded, as the checks read them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from schemas.codec import Codec, CodecError
from schemas.messages import Command, Control, DeadLetter, Execution, Message, Trade
from schemas.units import make_id
from stream_topology.topics import TOPICS
from workers.kernel.stage import Record

M = TypeVar("M", bound=Message)

AUDITED: tuple[str, ...] = (
    "commands", "control", "orders", "executions", "trades", "book", "sessions", "positions", "ledger", "transfers",
    "candles", "stream", "dead_letters",
)  # fmt: skip
"""The topics that a reconciliation reads."""


class Finding(NamedTuple):
    """Something that must not be: which rule, where, and what was seen."""

    rule: str
    where: str
    detail: str


@dataclass(slots=True)
class Contents:
    """Decoded records by topic, in the order of their partitions' offsets."""

    records: dict[str, list[tuple[Record, Message]]] = field(default_factory=dict)
    undecodable: list[Record] = field(default_factory=list)
    """Records that cannot be decoded; each needs a dead letter."""
    trimmed: frozenset[str] = frozenset()
    """Topics whose beginning is gone, by their retention or by hand."""

    @classmethod
    def read(
        cls,
        topic_records: Callable[[str], Iterable[Record]],
        codec: Codec,
        trimmed: frozenset[str] = frozenset(),
    ) -> "Contents":
        """Decode all that the audited topics hold."""
        contents = cls(trimmed=trimmed)
        for topic in AUDITED:
            decoded = contents.records[topic] = []
            for record in topic_records(topic):
                try:
                    decoded.append((record, codec.decode(record.value or b"", TOPICS[topic].record)))
                except CodecError:
                    contents.undecodable.append(record)
        return contents

    def of(self, topic: str, kind: type[M]) -> Iterator[M]:
        """The messages of a topic."""
        for _, message in self.records.get(topic, ()):
            assert isinstance(message, kind)
            yield message

    def commands(self) -> Iterator[tuple[int, Command]]:
        """(command_id, command) of every command."""
        for record, message in self.records.get("commands", ()):
            assert isinstance(message, Command)
            yield make_id(record.partition, record.offset), message

    def executions(self) -> list[Execution]:
        """All executions, oldest first for each shard that wrote them."""
        return sorted(self.of("executions", Execution), key=lambda execution: execution.execution_id)

    def trades(self) -> list[Trade]:
        """All trades in the order of their ids."""
        return sorted(self.of("trades", Trade), key=lambda trade: trade.trade_id)

    def controls(self) -> list[Control]:
        """Each decision once, although every partition holds it."""
        unique = {control.control_id: control for control in self.of("control", Control)}
        return list(unique.values())

    def dead_letters(self) -> list[DeadLetter]:
        """All dead letters."""
        return list(self.of("dead_letters", DeadLetter))
