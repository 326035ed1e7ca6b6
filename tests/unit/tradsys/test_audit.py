"""The checkers are tested: each kind of damage to a good log is found, by the rule that is there for it."""

from collections.abc import Callable
from copy import copy
from itertools import islice
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from schemas.messages import (
    BookChange,
    Candle,
    Command,
    Control,
    ControlKind,
    Execution,
    ExecutionKind,
    Frame,
    LedgerEntry,
    LedgerKind,
    Liquidity,
    Message,
    Position,
    Trade,
    Transfer,
    TransferKind,
)
from tradsys.audit.contents import Contents
from tradsys.audit.reconcile import Reconciliation, reconcile
from tradsys.commands.audit import prove_at_rest
from tradsys.demo.flow import ACCOUNTS, synthetic
from tradsys.demo.memory import MemoryVenue
from tradsys.errors import CommandError
from workers.kernel.stage import Record

Entries = list[tuple[Record, Message]]


@pytest.fixture(scope="module")
def good() -> Contents:
    venue = MemoryVenue(shards=2)
    for _ in venue.trade(islice(synthetic(3), 600)):
        pass
    for number, amount_e8 in enumerate((5, 10**18)):
        giver, taker = ACCOUNTS[:2]
        moved = {"account": giver, "to_account": taker, "currency": "USD", "amount_e8": amount_e8}
        venue.control(Control(ControlKind.TRANSFER, f"transfer-{number}", **moved))  # type: ignore[arg-type]
    venue.pipeline.log.append("commands", 0, b"bot-01", b"not avro")
    venue.pipeline.run()
    return Contents.read(venue.records, venue.codec)


def damaged(good: Contents, topic: str, change: Callable[[Entries], None]) -> set[str]:
    """The rules that find something after a change to one topic."""
    broken = copy(good)
    broken.records = {**good.records, topic: list(good.records[topic])}
    change(broken.records[topic])
    return {result.rule for result in reconcile(broken).results if result.count}


def index_of(entries: Entries, condition: Callable[[Message], bool]) -> int:
    return next(number for number, (_, message) in enumerate(entries) if condition(message))


def drop(condition: Callable[[Message], bool]) -> Callable[[Entries], None]:
    return lambda entries: entries.__delitem__(index_of(entries, condition))


def double(condition: Callable[[Message], bool]) -> Callable[[Entries], None]:
    def change(entries: Entries) -> None:
        entries.append(entries[index_of(entries, condition)])

    return change


def edit(condition: Callable[[Message], bool], **changes: object) -> Callable[[Entries], None]:
    def change(entries: Entries) -> None:
        number = index_of(entries, condition)
        record, message = entries[number]
        entries[number] = (record, msgspec.structs.replace(message, **changes))

    return change


def is_fill(message: Message) -> bool:
    return isinstance(message, Execution) and message.kind is ExecutionKind.TRADE


def is_answer(message: Message) -> bool:
    return isinstance(message, Execution) and message.command_id is not None


def is_half(kind: TransferKind) -> Callable[[Message], bool]:
    return lambda message: isinstance(message, Transfer) and message.kind is kind


def is_of_a_transfer(message: Message) -> bool:
    return isinstance(message, LedgerEntry) and message.kind is LedgerKind.TRANSFER


def is_a_transfer(message: Message) -> bool:
    return isinstance(message, Control) and message.kind is ControlKind.TRANSFER


def test_the_log_itself_is_good(good: Contents) -> None:
    result = reconcile(good)
    assert result.agrees, [found for rule in result.results for found in rule.findings]
    assert result.figures["trades"] > 20
    assert result.figures["dead letters"] == 1
    assert result.figures["commands"] == 601
    halves = sorted(half.kind for half in good.of("transfers", Transfer))
    assert halves == [TransferKind.RECEIVED, TransferKind.REFUSED, TransferKind.SENT]


def test_what_is_no_longer_kept_is_not_judged(good: Contents) -> None:
    later = copy(good)
    later.records = {**good.records, "book": good.records["book"][10:]}
    later.trimmed = frozenset({"book"})
    results = {result.rule: result for result in reconcile(later).results}
    assert results["books"].untried == "the beginning of book is no longer kept"
    assert [rule for rule, result in results.items() if result.untried] == ["books"]
    assert not any(result.count for result in results.values())


@pytest.mark.parametrize(
    ("topic", "change", "rule"),
    [
        ("commands", drop(lambda m: isinstance(m, Command)), "answers"),
        ("executions", drop(is_answer), "answers"),
        ("executions", double(is_answer), "answers"),
        ("executions", drop(is_fill), "fills"),
        ("executions", double(is_fill), "fills"),
        ("executions", double(is_fill), "lives"),
        ("executions", drop(is_fill), "sequences"),
        ("executions", drop(is_fill), "positions"),
        ("executions", edit(is_fill, last_price_e8=1), "fills"),
        ("executions", edit(is_fill, leaves_e8=-1), "lives"),
        ("trades", drop(lambda m: isinstance(m, Trade)), "fills"),
        ("trades", drop(lambda m: isinstance(m, Trade)), "sequences"),
        ("trades", double(lambda m: isinstance(m, Trade)), "sequences"),
        ("trades", drop(lambda m: isinstance(m, Trade)), "candles"),
        ("book", drop(lambda m: isinstance(m, BookChange)), "books"),
        ("book", edit(lambda m: isinstance(m, BookChange) and m.quantity_e8 == 0, quantity_e8=5), "books"),
        ("positions", drop(lambda m: isinstance(m, Position)), "positions"),
        ("positions", double(lambda m: isinstance(m, Position)), "positions"),
        ("ledger", drop(lambda m: isinstance(m, LedgerEntry) and m.trade_id is not None), "balances"),
        ("ledger", drop(lambda m: isinstance(m, LedgerEntry) and m.trade_id is not None), "postings"),
        ("ledger", drop(lambda m: isinstance(m, LedgerEntry) and m.control_id is not None), "postings"),
        ("ledger", edit(lambda m: isinstance(m, LedgerEntry), amount_e8=7), "balances"),
        ("ledger", drop(is_of_a_transfer), "balances"),
        ("ledger", drop(is_of_a_transfer), "transfers"),
        ("ledger", double(is_of_a_transfer), "transfers"),
        ("ledger", edit(is_of_a_transfer, currency="EUR"), "transfers"),
        ("ledger", edit(is_of_a_transfer, control_id="another"), "transfers"),
        *[("transfers", drop(is_half(kind)), "transfers") for kind in TransferKind if kind is not TransferKind.UNKNOWN],
        ("transfers", double(is_half(TransferKind.RECEIVED)), "transfers"),
        ("transfers", edit(is_half(TransferKind.REFUSED), kind=TransferKind.SENT), "transfers"),
        ("transfers", edit(is_half(TransferKind.RECEIVED), amount_e8=6), "transfers"),
        ("control", lambda entries: entries.clear(), "transfers"),
        ("candles", drop(lambda m: isinstance(m, Candle) and m.final and m.volume_e8 > 0), "candles"),
        ("candles", double(lambda m: isinstance(m, Candle) and m.final), "candles"),
        ("stream", drop(lambda m: isinstance(m, Frame) and m.sequence == 3), "frames"),
        ("dead_letters", lambda entries: entries.clear(), "answers"),
        ("dead_letters", lambda entries: entries.clear(), "dead_letters"),
    ],
)
def test_damage_is_found(good: Contents, topic: str, change: Callable[[Entries], None], rule: str) -> None:
    assert rule in damaged(good, topic, change)


def test_a_swapped_priority_is_found(good: Contents) -> None:
    """A maker's fill is given to another order that rested behind it."""

    def change(entries: Entries) -> None:
        number = index_of(entries, lambda m: isinstance(m, Execution) and m.liquidity is Liquidity.MAKER)
        record, fill = entries[number]
        assert isinstance(fill, Execution)
        behind = next(
            message
            for _, message in entries
            if isinstance(message, Execution)
            and message.kind is ExecutionKind.NEW
            and message.side is fill.side
            and message.order_id != fill.order_id
            and message.execution_id < fill.execution_id
        )
        entries[number] = (record, msgspec.structs.replace(fill, order_id=behind.order_id))

    assert "priority" in damaged(good, "executions", change)


def test_what_was_written_to_while_it_was_read_is_read_again(good: Contents) -> None:
    class Log:
        """Somebody writes between the first look and the second."""

        looks = 0

        def look(self) -> bool:
            self.looks += 1
            return self.looks != 2

    proofs = []

    def prove() -> Reconciliation:
        proofs.append(reconcile(good))
        return proofs[-1]

    log: Any = Log()
    assert prove_at_rest(log, prove, wait_s=60) is proofs[1]
    assert len(proofs) == 2


def test_a_log_that_does_not_rest_is_not_judged() -> None:
    busy: Any = SimpleNamespace(look=lambda: False)
    with pytest.raises(CommandError, match="Somebody trades, or orders end by their dates"):
        prove_at_rest(busy, pytest.fail, wait_s=-1)
