"""The control topic as the operator's commands use it: read whole, written to every partition at once."""

import getpass
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from confluent_kafka import KafkaException, Producer
from msgspec.structs import replace

from schemas.codec import Codec
from schemas.controls import control_error
from schemas.messages import Control, ControlKind
from tradsys.audit.kafka_log import KafkaLog
from tradsys.errors import CommandError

WRITE_S_MAX: Final = 15.0


class Decisions:
    """What has been decided, and the way to decide more."""

    def __init__(self, log: KafkaLog, codec: Codec) -> None:
        """Reads nothing yet."""
        self._log = log
        self._codec = codec

    def newest(self, kind: ControlKind, name: Callable[[Control], str | None]) -> dict[str, Control]:
        """The newest decision of a kind about each name, names sorted. Raises CommandError when Kafka is away."""
        found: dict[str, Control] = {}
        seen: set[str] = set()
        try:
            for record in self._log.records("control", partitions=(0,)):
                control = self._codec.decode(record.value or b"", "Control")
                if not isinstance(control, Control) or control.kind is not kind or control.control_id in seen:
                    continue
                seen.add(control.control_id)
                if control_error(control) is None:
                    found[name(control) or ""] = control
        except (KafkaException, TimeoutError) as error:
            raise CommandError(f"The log cannot be read: {error}.") from error
        return dict(sorted(found.items()))

    def decide(self, kind: ControlKind, control_id: str | None, **fields: Any) -> Control:
        """Write a decision to every partition, or to none. Raises CommandError for one that cannot be."""
        control = Control(
            kind=kind,
            control_id=control_id or f"{kind.value.lower()}-{secrets.token_hex(8)}",
            issued_us=time.time_ns() // 1_000,
            issued_by=getpass.getuser(),
            **fields,
        )
        self.write([control])
        return control

    def changed(self, before: Control, **changes: Any) -> Control:
        """A new decision that keeps what it does not change. It is not written yet."""
        return replace(
            before,
            control_id=f"{before.kind.value.lower()}-{secrets.token_hex(8)}",
            issued_us=time.time_ns() // 1_000,
            issued_by=getpass.getuser(),
            **changes,
        )

    def write(self, controls: Iterable[Control]) -> None:
        """Write decisions to every partition, or none of them to any. Raises CommandError."""
        decided = list(controls)
        for control in decided:
            if error := control_error(control):
                raise CommandError(f"Nothing was decided: {error}.")
        producer = Producer(
            {
                "bootstrap.servers": self._log.bootstrap,
                "transactional.id": f"{self._log.prefix}operator-{secrets.token_hex(4)}",
                "log_level": 0,
            }
        )
        topic = f"{self._log.prefix}control"
        try:
            producer.init_transactions(WRITE_S_MAX)
            producer.begin_transaction()
            for control in decided:
                value = self._codec.encode(control)
                for partition in range(self._log.shards):
                    producer.produce(topic, value, partition=partition)
            producer.commit_transaction(WRITE_S_MAX)
        except KafkaException as error:
            sentence = (
                f"Kafka did not take the decision: {error.args[0].str()}. It is safe to repeat with the same --id."
            )
            raise CommandError(sentence) from error
