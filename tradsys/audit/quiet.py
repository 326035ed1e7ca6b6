"""When a log has come to rest: a reconciliation needs one that nobody trades on while it is read."""

import time
from typing import Final

from tradsys.audit.contents import AUDITED
from tradsys.audit.kafka_log import KafkaLog

TIMED: Final = ("clock", "candles", "tickers", "stream", "marks", "positions")
"""Topics that may grow while nobody trades."""

QUIET_S: Final = 3.0
"""The log is at rest when nothing but time was written for so long: three ticks, so candles are complete."""

_WATCHED: Final = tuple(topic for topic in AUDITED if topic not in TIMED)


class Quiet:
    """Watches the ends of what trading writes."""

    def __init__(self, log: KafkaLog) -> None:
        """Begins to watch."""
        self._log = log
        self._ends = log.ends(_WATCHED)
        self._since_s = time.monotonic()

    def look(self) -> bool:
        """Look again: whether the log is at rest."""
        ends, now_s = self._log.ends(_WATCHED), time.monotonic()
        if ends != self._ends:
            self._ends, self._since_s = ends, now_s
        return now_s - self._since_s >= QUIET_S
