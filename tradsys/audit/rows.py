"""The rows of the read models against the fold of their topics."""

from collections.abc import Iterator

import psycopg

from schemas.codec import Codec
from stream_topology.stages import STAGES
from tradsys.audit.contents import Contents, Finding
from tradsys.audit.kafka_log import KafkaLog
from tradsys.audit.reconcile import Rule
from workers.kernel.stage import Record
from workers.projections.fold import Rows
from workers.projections.verify import compare_database, offsets


def rows_rule(log: KafkaLog, codec: Codec, db_dsn: str) -> Rule:
    """The rule that every projected table is the fold of its topics, as far as the rows say they have read them.

    But for months of which the operator let go (`tradsys db prune`).
    """

    def check(_contents: Contents) -> Iterator[Finding]:
        with psycopg.connect(db_dsn) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with connection.transaction():  # offsets and rows are of one moment, while time goes on being written
                read = offsets(connection)
                rows = Rows()
                for topic in STAGES["projections"].inputs:
                    rows.fold(topic, _until(log, topic, read), codec)
                for comparison in compare_database(rows, connection):
                    for difference in comparison.differences:
                        yield Finding("rows", difference.table, str(difference))

    return Rule("rows", "Rows that are kept equal the fold of their topics: none lost, more or different.", check)


def _until(log: KafkaLog, topic: str, read: dict[tuple[str, int], int]) -> Iterator[Record]:
    name = log.prefix + topic
    return (record for record in log.records(topic) if record.offset < read.get((name, record.partition), 0))
