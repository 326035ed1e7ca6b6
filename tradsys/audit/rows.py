"""The rows of the read models against the fold of their topics."""

from collections.abc import Iterator

import psycopg

from schemas.codec import Codec
from stream_topology.stages import STAGES
from tradsys.audit.contents import Contents, Finding
from tradsys.audit.kafka_log import KafkaLog
from tradsys.audit.reconcile import Rule
from workers.projections.fold import Rows
from workers.projections.verify import compare_database


def rows_rule(log: KafkaLog, codec: Codec, db_dsn: str) -> Rule:
    """The rule that every projected table is the fold of its topics, as of now."""

    def check(_contents: Contents) -> Iterator[Finding]:
        rows = Rows()
        for topic in STAGES["projections"].inputs:
            rows.fold(topic, log.records(topic), codec)
        with psycopg.connect(db_dsn) as connection:
            for comparison in compare_database(rows, connection):
                for difference in comparison.differences:
                    yield Finding("rows", difference.table, str(difference))

    return Rule("rows", "Rows equal the fold of their topics: none lost, none more, none different.", check)
