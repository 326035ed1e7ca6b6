"""The reconciliation of a platform's log and database."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from schemas.codec import Codec
from tradsys.audit.contents import AUDITED, Contents
from tradsys.audit.journals import journals_rule
from tradsys.audit.kafka_log import KafkaLog
from tradsys.audit.reconcile import Reconciliation, reconcile
from tradsys.audit.rows import rows_rule
from workers.kernel.stage import Record


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where the proof is: nothing else is asked."""

    log: KafkaLog
    codec: Codec
    db_dsn: str

    def prove(self, report: Callable[[str], None] = lambda _: None) -> Reconciliation:
        """Read all of it and try every rule; `report` is told what is read. Nobody may trade meanwhile."""

        def records(topic: str) -> Iterator[Record]:
            report(f"reading {topic}")
            return self.log.records(topic)

        contents = Contents.read(records, self.codec, self.log.trimmed(AUDITED))
        report("comparing")
        more = [journals_rule(self.log.records, self.codec), rows_rule(self.log, self.codec, self.db_dsn)]
        return reconcile(contents, more)
