"""The audit of a log with pairs: it believes none of which both traded, or of which one was forgotten."""

from copy import copy
from itertools import islice

import pytest
from msgspec.structs import replace

from schemas.messages import Command, CommandKind, Execution, ExecutionKind, GroupKind, Message, Reason, Side
from tradsys.audit.contents import Contents
from tradsys.audit.reconcile import reconcile
from tradsys.demo.flow import synthetic
from tradsys.demo.memory import MemoryVenue, command_of


@pytest.fixture(scope="module")
def good() -> Contents:
    """A venue where every third order has a stop order beside it, near the market."""
    venue = MemoryVenue(shards=2)
    for number, event in enumerate(islice(synthetic(5), 600)):
        if number == 0:
            venue.open("run", event.price_e8)
        command = command_of(event, "run")
        if number % 3 == 0 and not event.cancel:
            away_e8 = 5 * 100_000_000
            trigger_e8 = event.price_e8 + (away_e8 if event.side is Side.BUY else -away_e8)
            command = replace(command, group=GroupKind.OCO, trigger_price_e8=trigger_e8)
        venue.send(command)
        if number % 20 == 0:
            venue.tick()
        venue.pipeline.run()
    return Contents.read(venue.records, venue.codec)


@pytest.fixture(scope="module")
def brackets() -> Contents:
    """A venue where every third order is the entry of a bracket, near the market; some leave with all of an account."""
    venue = MemoryVenue(shards=2)
    for number, event in enumerate(islice(synthetic(5), 900)):
        if number == 0:
            venue.open("run", event.price_e8)
        command = command_of(event, "run")
        if number % 3 == 0 and not event.cancel:
            away_e8 = 50_000_000 * (1 if event.side is Side.BUY else -1)
            prices = {"trigger_price_e8": event.price_e8 - away_e8, "take_profit_price_e8": event.price_e8 + away_e8}
            command = replace(command, group=GroupKind.BRACKET, **prices)
        venue.send(command)
        if number % 20 == 0:
            venue.tick()
        if number % 50 == 0:
            venue.send(Command(CommandKind.CANCEL_ALL, command.account, side=event.side))
        venue.pipeline.run()
    return Contents.read(venue.records, venue.codec)


def number_of(execution: Execution) -> int:
    """Which one of its group it is of."""
    return (execution.order_id - (execution.group_id or 0)) >> 45


def test_brackets_agree_with_every_rule(brackets: Contents) -> None:
    result = reconcile(brackets)
    assert result.agrees, [finding for rule in result.results for finding in rule.findings][:5]
    told = [execution for execution in brackets.executions() if execution.group_id is not None]
    for number, kind in ((1, ExecutionKind.TRIGGERED), (1, ExecutionKind.TRADE), (2, ExecutionKind.TRADE)):
        assert any((number_of(execution), execution.kind) == (number, kind) for execution in told), (number, kind)


@pytest.mark.parametrize("broken", ["more", "early", "missing", "grows", "same side"])
def test_what_came_of_an_entry_otherwise_is_found(brackets: Contents, broken: str) -> None:
    entries = brackets.records["executions"]
    number, message = next(
        (number, message)
        for number, (_, message) in enumerate(entries)
        if isinstance(message, Execution) and message.group_id is not None and number_of(message) == 2
    )
    changed = {
        "more": replace(message, quantity_e8=message.quantity_e8 * 10),
        "early": replace(message, execution_id=1),
        "missing": replace(message, group_id=None),
        "grows": replace(message, reduce_only=False),
        "same side": replace(message, side=Side.BUY if message.side is Side.SELL else Side.SELL),
    }[broken]
    others = copy(brackets)
    changes = [*entries[:number], (entries[number][0], changed), *entries[number + 1 :]]
    if broken == "missing":
        gone = message.order_id
        changes = [each for each in entries if getattr(each[1], "order_id", None) != gone]
    others.records = {**brackets.records, "executions": changes}
    assert "groups" in {result.rule for result in reconcile(others).results if result.count}


def is_other(message: Message) -> bool:
    return isinstance(message, Execution) and message.reason is Reason.ONE_CANCELS_OTHER


def test_pairs_agree_with_every_rule(good: Contents) -> None:
    result = reconcile(good)
    assert result.agrees, [finding for rule in result.results for finding in rule.findings][:5]
    kinds = {message.kind for message in good.executions() if message.group_id is not None}
    assert {ExecutionKind.TRADE, ExecutionKind.TRIGGERED, ExecutionKind.CANCELLED} <= kinds
    assert sum(is_other(message) for message in good.executions()) > 20


def test_one_that_was_not_cancelled_or_for_another_reason_is_found(good: Contents) -> None:
    entries = good.records["executions"]
    number = next(number for number, (_, message) in enumerate(entries) if is_other(message))
    record, message = entries[number]
    assert isinstance(message, Execution)
    changed = (record, replace(message, reason=Reason.CANCELLED_BY_CLIENT))
    for between in ([], [changed], [entries[number], entries[number]]):
        broken = copy(good)
        broken.records = {**good.records, "executions": [*entries[:number], *between, *entries[number + 1 :]]}
        assert "groups" in {result.rule for result in reconcile(broken).results if result.count}
