"""Rows are the naive fold of the log, whatever the batches and however often a piece is read."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas import tables
from schemas.codec import local_codec
from schemas.units import DAY_US
from tests.oracle.naive_rows import naive_rows
from tests.oracle.projected_history import History, log_of
from workers.kernel.stage import Record
from workers.projections.fold import Rows

CODEC = local_codec()
SHARDS = 3


ID, KIND, TIME, NOTIONAL, ACCOUNT, SYMBOL = (
    tables.executions.columns.keys().index(name)
    for name in ("execution_id", "kind", "ts_us", "last_notional_e8", "account", "symbol")
)
VOLUME = tables.account_volumes.columns.keys()


class MemoryTables:
    """What the database does with the rows of a batch, in memory: `Table.info` says which row stays."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {table.name: {} for table in tables.PROJECTED}

    def write(self, rows: Rows) -> None:
        for row in rows.of(tables.executions):
            if row[KIND] == "TRADE" and (row[ID], row[TIME]) not in self.tables["executions"]:
                key = row[ACCOUNT], row[TIME] - row[TIME] % DAY_US, row[SYMBOL]
                nothing = dict(zip(VOLUME, (*key, 0), strict=True))
                self.tables["account_volumes"].setdefault(key, nothing)["traded_e8"] += row[NOTIONAL]
        for table in tables.FOLDED:
            there = self.tables[table.name]
            newest_by = table.info[tables.NEWEST_BY]
            for values in rows.of(table):
                row = dict(zip(table.columns.keys(), values, strict=True))
                key = tuple(row[column.name] for column in table.primary_key.columns)
                old = there.get(key)
                if old is None or (newest_by and [row[n] for n in newest_by] >= [old[n] for n in newest_by]):
                    there[key] = row


def batch(records: list[Record]) -> Rows:
    rows = Rows()
    for topic in sorted({record.topic for record in records}):
        rows.fold(topic, [record for record in records if record.topic == topic], CODEC)
    return rows


@given(seed=st.integers(0, 1 << 32), count=st.integers(1, 150), data=st.data())
def test_rows_equal_the_naive_fold(seed: int, count: int, data: st.DataObject) -> None:
    messages = list(History(seed).messages(count))
    log = log_of(messages, SHARDS, CODEC)
    written = MemoryTables()
    at = 0
    while at < len(log):
        end = data.draw(st.integers(at + 1, len(log)))
        again = data.draw(st.integers(0, at))  # as after a crash that forgot where it was
        written.write(batch(log[again:at]))
        written.write(batch(log[again:end]))
        at = end
    sums = {row[:-1]: dict(zip(VOLUME, row, strict=True)) for row in batch(log).of(tables.account_volumes)}
    assert sums == written.tables["account_volumes"]
    for name, expected in naive_rows(messages).items():
        columns = tables.METADATA.tables[name].columns.keys()
        kept = {key: {column: row[column] for column in columns} for key, row in expected.items()}
        assert written.tables[name] == kept, name
