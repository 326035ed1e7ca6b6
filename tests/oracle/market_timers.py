"""Orders of a market of random decisions that leave together: cancel all, timers, liquidations."""

from collections.abc import Sequence

from schemas.messages import (
    Command,
    CommandKind,
    Execution,
    ExecutionKind,
    Order,
    OrderKind,
    OrderType,
    Reason,
    Side,
)
from tests.oracle.market_answers import of_a_timer, removed_after
from tests.oracle.market_book import end_one, fill_one
from tests.oracle.market_state import ACCOUNTS, Market, at_most, owners_of, refused_lately
from tests.oracle.naive_funds import OpenOrder
from workers.kernel.stage import Output


def ask(market: Market, command: Command) -> Sequence[Output]:
    """The answer and what follows it; what a loss takes out comes before."""
    outputs = market.desk.send(command)
    first = next(number for number, output in enumerate(outputs) if isinstance(output.message, Execution))
    market.desk.aside(outputs[:first])
    market.losses.look(command.account, market.desk.ts_us)
    market.timers.leaving.update(order.order_id for order in market.desk.removed)
    return outputs[first:]


def cancel_all(market: Market) -> None:
    account = market.rng.choice(ACCOUNTS)
    outputs = ask(market, Command(CommandKind.CANCEL_ALL, account))
    expected = market.timers.cancel_all(account, owners_of(market))
    assert removed_after(outputs) == [(ExecutionKind.CANCELLING_ALL, account, Reason.NONE, None, expected)]


def cancel_after(market: Market) -> None:
    account, timeout_s = market.rng.choice(ACCOUNTS), market.rng.choice((0, 1, 3, 60, 86_400))
    outputs = ask(market, Command(CommandKind.CANCEL_AFTER, account, timeout_s=timeout_s))
    deadline_us = market.timers.ask(account, market.desk.ts_us, timeout_s)
    assert removed_after(outputs) == [(ExecutionKind.CANCEL_AFTER_SET, account, Reason.NONE, deadline_us, [])]


def tick(market: Market) -> None:
    outputs = market.desk.tick()
    market.timers.leaving.update(order.order_id for order in market.desk.removed)
    rest = [output for output in outputs if not of_a_timer(output.message)]
    outputs = [output for output in outputs if of_a_timer(output.message)]
    expected = market.timers.tick(market.desk.ts_us, owners_of(market))
    assert removed_after(outputs) == [
        (ExecutionKind.CANCELLING_ALL, account, Reason.TIMER_EXPIRED, None, orders) for account, orders in expected
    ]
    compare_liquidation(market, rest)


def compare_liquidation(market: Market, outputs: Sequence[Output]) -> None:
    """What becomes of those whose margin is called, with a tick."""
    placed = [o.message for o in outputs if isinstance(o.message, Order) and o.message.kind is OrderKind.NEW]
    market.desk.aside([output for output in outputs if output.message not in placed])
    orders = [output.message for output in outputs if isinstance(output.message, Order)]
    market.timers.leaving.update(order.order_id for order in orders if order.reason is Reason.MARGIN_CALL)
    removed = [order.order_id for order in orders if order.reason is Reason.LIQUIDATION]
    expected: list[tuple[str, str, int]] = []
    owners = {owner for _, owner in owners_of(market)}
    for account in sorted(market.losses.called):
        market.losses.look_again(account, market.desk.ts_us)
        quantities = market.losses.to_reduce(account)
        began = account not in market.losses.liquidating
        if bool(quantities) is began:
            market.losses.liquidating ^= {account}
        if quantities and (meant := market.timers.cancel_all(account, owners_of(market))):
            assert removed[: len(meant)] == meant
            removed = removed[len(meant) :]
        elif quantities and not (began or account in owners):
            steps = market.losses.to_reduce(account, refused_lately(market, account))
            expected += [(account, symbol, at_most(market, symbol, step_e8)) for symbol, step_e8 in steps]
    assert removed == []
    signs = {Side.BUY: 1, Side.SELL: -1}
    assert [(order.account, order.symbol, signs[order.side] * order.quantity_e8) for order in placed] == expected
    for order in placed:
        assert order.order_type is OrderType.LIQUIDATION
        mark_e8 = market.naive.marks[order.symbol]
        assert order.price_e8 == (mark_e8 * 19 // 10 if order.side is Side.BUY else -(-mark_e8 // 10))
        rate = market.rates[order.symbol]
        market.open[order.order_id] = market.placed[order.order_id] = order
        market.filled[order.order_id], market.tags[order.order_id] = 0, None
        market.timers.leaving.add(order.order_id)
        market.limits.asked.add((order.account, order.symbol))
        market.naive.orders[order.order_id] = OpenOrder(
            *(order.account, order.symbol, order.side.value, order.price_e8, order.quantity_e8, rate), reduces=True
        )


def answer_taken_out(market: Market) -> None:
    """The book answers for accounts that are liquidated: what was taken out ends, of what was placed a part too."""
    for order in [order for order in market.open.values() if order.account in market.losses.liquidating]:
        if order.order_type is OrderType.LIQUIDATION and market.rng.randint(0, 2):
            fill_one(market, order)
        if order.order_id in market.open:
            end_one(market, order)
    tick(market)
