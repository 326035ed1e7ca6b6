"""Records to rows: which tables a topic's records change, and which of two rows stays.

Pure: the rows are the same whatever the batches. Columns bear the names of the messages' fields, so a table's columns
say which fields its rows take.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

import msgspec
from sqlalchemy import Table

from schemas import tables
from schemas.codec import Codec, CodecError
from schemas.controls import control_error
from schemas.messages import (
    RECORDS,
    Control,
    ControlKind,
    DeadLetter,
    DeadLetterReason,
    Execution,
    ExecutionKind,
    Message,
)
from schemas.order_states import ANSWERS_ONLY
from schemas.units import DAY_US
from stream_topology.stages import STAGES
from stream_topology.topics import TOPICS, Key
from workers.kernel.stage import Record

STAGE: Final = STAGES["projections"]

TEXT_CHARACTERS_MAX: Final = 256
"""Longest text of a row. Refusals repeat what a sender wrote, and three such texts must fit into an index entry."""

DEAD_LETTER_VALUE_BYTES_MAX: Final = 65_536
DETAIL_CHARACTERS_MAX: Final = 1_000

Row = tuple[Any, ...]
Get = Callable[[Message], Any]


def _always(_message: Message) -> bool:
    return True


def _moves_an_order(message: Message) -> bool:
    """Answers to commands that changed no order say what was asked, not what an order did."""
    assert isinstance(message, Execution)
    return message.kind not in ANSWERS_ONLY


def _is_a_pair(message: Message) -> bool:
    assert isinstance(message, Control)
    return message.kind is ControlKind.PAIR and control_error(message) is None


@dataclass(frozen=True, slots=True)
class Projection:
    """How the records of one type become rows of one table."""

    table: Table
    row: Get
    """All columns, in the table's order."""
    key: Get
    """The primary key."""
    version: Get | None
    """How new a row is; None where the first row of a key stays."""
    applies: Callable[[Message], bool]

    def keep(self, rows: dict[Any, Message], message: Message) -> None:
        """Make the message its key's row, unless a newer one is there."""
        if not self.applies(message):
            return
        key = self.key(message)
        old = rows.get(key)
        if old is None or (self.version is not None and self.version(message) >= self.version(old)):
            rows[key] = message


def _projection(table: Table, applies: Callable[[Message], bool] = _always) -> Projection:
    newest_by = table.info[tables.NEWEST_BY]
    return Projection(
        table,
        attrgetter(*table.columns.keys()),
        attrgetter(*table.primary_key.columns.keys()),
        attrgetter(*newest_by) if newest_by else None,
        applies,
    )


_DEAD_LETTERS: Final = _projection(tables.projection_dead_letters)

PROJECTIONS: Final[Mapping[str, tuple[Projection, ...]]] = {
    "control": (_projection(tables.pair_versions, _is_a_pair),),
    "executions": (_projection(tables.executions), _projection(tables.orders, _moves_an_order)),
    "trades": (_projection(tables.trades),),
    "positions": (_projection(tables.positions),),
    "ledger": (_projection(tables.ledger), _projection(tables.balances)),
    "candles": (_projection(tables.candles),),
    "accounts": (_projection(tables.account_states),),
}
"""Per input topic: the tables that its records change."""

_BY_TABLE: Final = {p.table.name: p for every in (*PROJECTIONS.values(), (_DEAD_LETTERS,)) for p in every}


class Rows:
    """What a run of records makes of each table: one row a key."""

    def __init__(self) -> None:
        """No rows."""
        self._tables: dict[str, dict[Any, Message]] = {table.name: {} for table in tables.FOLDED}
        self._keeps = {
            topic: [(p.keep, self._tables[p.table.name]) for p in every] for topic, every in PROJECTIONS.items()
        }

    def fold(self, topic: str, records: Iterable[Record], codec: Codec) -> int:
        """Add the records of a topic, in the order of their offsets; how many became dead letters instead.

        Raises what the codec raises when it cannot tell whether a record is readable: the registry does not answer.
        """
        keeps, texts, record_name, refused = self._keeps[topic], _TEXTS[topic], TOPICS[topic].record, 0
        if TOPICS[topic].key is Key.EVERY:
            # All partitions have the same records, and what is written at once may be in another order in each.
            records = (record for record in records if record.partition == 0)
        for record in records:
            try:
                message = codec.decode(record.value or b"", record_name)
                _check(texts(message))
            except CodecError as error:
                refused += 1
                _DEAD_LETTERS.keep(self._tables[_DEAD_LETTERS.table.name], _dead_letter(record, error))
                continue
            for keep, rows in keeps:
                keep(rows, message)
        return refused

    def of(self, table: Table) -> Iterator[Row]:
        """The rows of a table, columns in its order."""
        if table is tables.account_volumes:
            return volumes(self._tables[tables.executions.name].values())
        return map(_BY_TABLE[table.name].row, self._tables[table.name].values())

    def count(self, table: Table) -> int:
        """How many rows one of the tables in FOLDED gets."""
        return len(self._tables[table.name])


def volumes(executions: Iterable[Any]) -> Iterator[Row]:
    """The rows of `account_volumes` that follow from executions, each given once."""
    sums_e8: dict[tuple[str, int, str], int] = {}
    for one in executions:
        if one.kind is ExecutionKind.TRADE:
            key = one.account, max(one.ts_us, 0) // DAY_US * DAY_US, one.symbol
            sums_e8[key] = sums_e8.get(key, 0) + (one.last_notional_e8 or 0)
    return ((*key, traded_e8) for key, traded_e8 in sums_e8.items())


def _texts(topic: str) -> Get:
    """Gives the texts of a topic's records that its rows hold."""
    columns = {column.name for projection in PROJECTIONS[topic] for column in projection.table.columns}
    fields = msgspec.structs.fields(RECORDS[TOPICS[topic].record])
    return attrgetter(*(field.name for field in fields if field.type in (str, str | None) and field.name in columns))


_TEXTS: Final = {topic: _texts(topic) for topic in PROJECTIONS}


def _check(texts: Iterable[str | None]) -> None:
    """Raise CodecError for a text that PostgreSQL or its indexes would refuse."""
    for text in texts:
        if text is not None:
            if len(text) > TEXT_CHARACTERS_MAX:
                detail = f"a text of {len(text)} characters; rows hold at most {TEXT_CHARACTERS_MAX}"
                raise CodecError(DeadLetterReason.TOO_LARGE, detail)
            if "\0" in text:
                raise CodecError(DeadLetterReason.WRONG_RECORD, "a text holds a NUL character, which no row can")


def _dead_letter(record: Record, error: CodecError) -> DeadLetter:
    return DeadLetter(
        stage=STAGE.name,
        source_topic=record.topic,
        source_partition=record.partition,
        source_offset=record.offset,
        reason=error.reason,
        detail=str(error).replace("\0", " ")[:DETAIL_CHARACTERS_MAX],
        key=record.key,
        value=record.value[:DEAD_LETTER_VALUE_BYTES_MAX] if record.value is not None else None,
        ts_us=record.ts_us,
    )
