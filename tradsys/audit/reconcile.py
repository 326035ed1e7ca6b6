"""The reconciliation: all rules over one log, with the figures that it saw."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from schemas.messages import CommandKind, ExecutionKind, Frame, FrameKind, Transfer, TransferKind
from tradsys.audit import groups, money, orders
from tradsys.audit.contents import Contents, Finding

FINDINGS_MAX: Final = 100
"""Findings that are kept for each rule; the count goes on."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule found."""

    rule: str
    statement: str
    findings: list[Finding]
    count: int
    """Of all findings, kept or not."""
    untried: str | None = None
    """Why it could not be tried."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The result over all rules."""

    figures: dict[str, int]
    results: list[RuleResult]

    @property
    def agrees(self) -> bool:
        """Whether nothing was found."""
        return not any(result.count for result in self.results)


def frames(contents: Contents) -> Iterator[Finding]:
    """Client frames have no gap within their channel."""
    sequence: dict[str, int] = {}
    for frame in contents.of("stream", Frame):
        last = sequence.get(frame.channel, 0)
        expected = last if frame.kind is FrameKind.SNAPSHOT else last + 1
        if frame.sequence != expected:
            yield Finding("frames", frame.channel, f"sequence {frame.sequence} where {expected} was due")
        sequence[frame.channel] = frame.sequence


def dead_letters(contents: Contents) -> Iterator[Finding]:
    """Every input that cannot be decoded has a dead letter from each stage that reads its topic."""
    lettered = {(d.source_topic, d.source_partition, d.source_offset) for d in contents.dead_letters()}
    for record in contents.undecodable:
        if (record.topic, record.partition, record.offset) not in lettered:
            yield Finding("dead_letters", f"{record.topic}/{record.partition}/{record.offset}", "no dead letter")


Check = Callable[[Contents], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that must hold."""

    name: str
    statement: str
    check: Check
    kept_for_a_time: str | None = None
    """The topic that it needs from its beginning and that is not kept for ever."""


def _rule(check: Check, kept_for_a_time: str | None = None) -> Rule:
    """A function of the audit as a rule: its name, and the first line of what it says of itself."""
    return Rule(check.__name__, (check.__doc__ or "").splitlines()[0], check, kept_for_a_time)


RULES: Final = (
    _rule(orders.answers),
    _rule(orders.lives),
    _rule(orders.sequences),
    _rule(orders.fills),
    _rule(orders.priority),
    _rule(orders.auctions),
    _rule(groups.groups),
    _rule(orders.books, "book"),
    _rule(orders.sessions),
    _rule(money.positions),
    _rule(money.balances),
    _rule(money.postings),
    _rule(money.transfers),
    _rule(money.candles),
    _rule(frames, "stream"),
    _rule(dead_letters),
)


def reconcile(contents: Contents, more: Iterable[Rule] = ()) -> Reconciliation:
    """Try every rule, and those given beside them (rows of a database)."""
    results = []
    for rule in (*RULES, *more):
        if rule.kept_for_a_time in contents.trimmed:
            untried = f"the beginning of {rule.kept_for_a_time} is no longer kept"
            results.append(RuleResult(rule.name, rule.statement, [], 0, untried))
            continue
        found = list(rule.check(contents))
        results.append(RuleResult(rule.name, rule.statement, found[:FINDINGS_MAX], len(found)))
    return Reconciliation(_figures(contents), results)


def _figures(contents: Contents) -> dict[str, int]:
    executions = contents.executions()
    kinds = {kind: sum(1 for e in executions if e.kind is kind) for kind in ExecutionKind}
    commands = [command for _, command in contents.commands()]
    return {
        "commands": len(commands) + sum(1 for r in contents.undecodable if r.topic == "commands"),
        "new orders": sum(1 for c in commands if c.kind is CommandKind.NEW),
        "amendments": sum(1 for c in commands if c.kind is CommandKind.AMEND),
        "cancels": sum(1 for c in commands if c.kind in {CommandKind.CANCEL, CommandKind.CANCEL_ALL}),
        "accepted": kinds[ExecutionKind.NEW],
        "amended": kinds[ExecutionKind.AMENDED],
        "refused": kinds[ExecutionKind.REJECTED],
        "expired": kinds[ExecutionKind.EXPIRED],
        "repeated": kinds[ExecutionKind.STATUS],
        "open orders": len(orders.open_orders(contents)),
        "trades": len(contents.trades()),
        "transfers": sum(1 for half in contents.of("transfers", Transfer) if half.kind is TransferKind.SENT),
        "executions": len(executions),
        "dead letters": len(contents.dead_letters()),
    }
