"""The control topic for the operator's commands: read as the stages read it, written to all partitions or none."""

import getpass
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from confluent_kafka import KafkaException
from msgspec.structs import replace

from schemas.codec import Codec, CodecError
from schemas.decided import Decided
from schemas.messages import AccountState, Control, ControlKind, Phase, Transfer, TransferKind
from stream_topology.decisions import write_decisions
from stream_topology.sharding import partition_of
from tradsys.audit.kafka_log import KafkaLog
from tradsys.errors import CommandError
from workers.kernel.stage import Record

READ_BACK_S_MAX: Final = 20.0
"""For a decision to be read: one that somebody began before and gave up holds it back until the broker ends it."""

TRANSFER_S_MAX: Final = 10.0
"""How long pre-trade risk may take to decide a transfer before nobody waits for it any more."""

LOOK_S: Final = 0.3


class Decisions:
    """What has been decided, and the way to decide more."""

    def __init__(self, log: KafkaLog, codec: Codec) -> None:
        """Reads what has been decided. Raises CommandError when Kafka is away."""
        self._log = log
        self._codec = codec
        self.decided = Decided()
        self._next_offset = 0
        """Of the first partition: all before it was read."""
        self.limit_changes: list[Control] = []
        """Every decision about limits, oldest first."""
        self._read_on()

    @property
    def symbols(self) -> Mapping[str, Control]:
        """The newest decision about each symbol, by name."""
        return dict(sorted(self.decided.symbols.items()))

    @property
    def accounts(self) -> Mapping[str, Control]:
        """The newest decision about each account, by name."""
        return dict(sorted(self.decided.accounts.items()))

    @property
    def strategies(self) -> Mapping[tuple[str, str], Control]:
        """The newest decision about each strategy that there is one about, by account and its name."""
        return dict(sorted(self.decided.strategies.items()))

    @property
    def limits(self) -> Mapping[tuple[str, str], Control]:
        """The newest decision about the limits of each scope, as `scope_of` names it."""
        return dict(sorted(self.decided.limits.items()))

    def states(self) -> Mapping[str, AccountState]:
        """How each account stands, as pre-trade risk last said. Raises CommandError when Kafka is away."""
        found: dict[str, AccountState] = {}
        for record in self._records("accounts"):
            state = self._codec.decode(record.value or b"", "AccountState")
            assert isinstance(state, AccountState)
            found[state.account] = state
        return found

    def transferred(self, control_id: str, account: str) -> Transfer | None:
        """What pre-trade risk decided about a transfer from an account; None if it says nothing for TRANSFER_S_MAX."""
        deadline_s = time.monotonic() + TRANSFER_S_MAX
        while True:
            for record in self._records("transfers", partition_of(account, self._log.shards)):
                half = self._codec.decode(record.value or b"", "Transfer")
                assert isinstance(half, Transfer)
                if half.control_id == control_id and half.kind is not TransferKind.RECEIVED:
                    return half
            if time.monotonic() > deadline_s:
                return None
            time.sleep(LOOK_S)

    def planned(self, symbol: str) -> list[tuple[int, Phase]]:
        """The changes of a symbol's phase that are still to come: when, in microseconds since 1970 UTC, and to what."""
        return self.decided.planned(symbol, time.time_ns() // 1_000)

    def decide(self, kind: ControlKind, control_id: str | None, changes: Collection[str] = (), **fields: Any) -> bool:
        """Make a decision, of a symbol, an account or limits with the names of what it changes.

        False if one of that id was made before: then nothing is done. Raises CommandError, also where that one undoes
        what somebody else decided.
        """
        if control_id is not None and self.decided.gate.knows(control_id):
            self._require_no_conflict([control_id], changes)
            return False
        control = self.new(kind, control_id, **fields)
        self.write([control], f"With --id {control.control_id} it is safe to repeat: it is made once.", changes)
        return True

    def new(self, kind: ControlKind, control_id: str | None = None, **fields: Any) -> Control:
        """A new decision. It is not written yet."""
        return Control(kind=kind, control_id=control_id or new_id(kind), **_signed(), **fields)

    def changed(self, before: Control, **changes: Any) -> Control:
        """A new decision that keeps what it does not change. It is not written yet."""
        return replace(before, control_id=new_id(before.kind), **_signed(), **changes)

    def write(self, controls: Iterable[Control], when_unknown: str, changes: Collection[str] = ()) -> None:
        """Write decisions to every partition, or none of them to any.

        Where somebody decided about the same symbol, account or limits since it was read here, what is to change,
        `changes`, is written once more on top of that, so that it undoes nothing. Raises CommandError, also for
        one that the stages would not apply, or where that was disturbed too or failed; `when_unknown` says what to do
        when Kafka does not answer whether it took them.
        """
        controls = list(controls)
        for control in controls:
            if error := self.decided.gate.error(control):
                raise CommandError(f"Nothing was decided: {error}.")
        try:
            self._written(controls)
        except KafkaException as error:
            sentence = f"Kafka did not say that it took the decision: {error.args[0].str()}. {when_unknown}"
            raise CommandError(sentence) from error
        control_ids = [control.control_id for control in controls]
        cause: Exception | None = None
        if owed := self.decided.owed(control_ids, changes):
            try:
                self._written(owed)
            except (KafkaException, CommandError) as error:
                cause = error
        self._require_no_conflict(control_ids, changes, cause)

    def _require_no_conflict(
        self, control_ids: Iterable[str], changes: Collection[str], cause: Exception | None = None
    ) -> None:
        if conflict := self.decided.conflict(control_ids, changes):
            raise CommandError(f"{conflict}.") from cause

    def _written(self, controls: list[Control]) -> None:
        """Write decisions and read them back. Raises KafkaException, and CommandError if they cannot be read."""
        values = [self._codec.encode(control) for control in controls]
        write_decisions(self._log.bootstrap, self._log.prefix, self._log.shards, values)
        self._read_back(controls[-1].control_id)

    def _read_back(self, control_id: str) -> None:
        """Read on until a decision that was written has come by. Raises CommandError."""
        deadline_s = time.monotonic() + READ_BACK_S_MAX
        while not self._read_on(control_id):
            if time.monotonic() > deadline_s:
                raise CommandError("The decision stands, but could not be read back: look at what holds.")
            time.sleep(LOOK_S)

    def _read_on(self, control_id: str | None = None) -> bool:
        """Fold what came since; whether a decision was among it. Raises CommandError when Kafka is away."""
        has_come = False
        for record in self._records("control", 0, since=self._next_offset):
            self._next_offset = record.offset + 1
            control = self._read(record)
            has_come = has_come or (control is not None and control.control_id == control_id)
        return has_come

    def _records(self, topic: str, *partitions: int, since: int = 0) -> Iterator[Record]:
        """The records of a topic, of all partitions if none is named."""
        try:
            yield from self._log.records(topic, partitions or None, since)
        except (KafkaException, TimeoutError) as error:
            raise CommandError(f"The log cannot be read: {error}.") from error

    def _read(self, record: Record) -> Control | None:
        """As the stages do: what is not a decision is passed over, and one that is seen twice counts once."""
        try:
            control = self._codec.decode(record.value or b"", "Control")
        except CodecError:
            return None
        assert isinstance(control, Control)
        if self.decided.apply(control, record.ts_us) and control.kind is ControlKind.LIMITS:
            self.limit_changes.append(control)
        return control


def new_id(kind: ControlKind) -> str:
    """An id of a decision that nobody has used."""
    return f"{kind.value.lower()}-{secrets.token_hex(8)}"


def _signed() -> dict[str, Any]:
    """When and by whom."""
    return {"issued_us": time.time_ns() // 1_000, "issued_by": getpass.getuser()}
