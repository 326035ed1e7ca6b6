"""What pre-trade risk says in a market of random decisions, compared with what the naive models expect."""

from collections.abc import Callable, Sequence

from schemas.messages import (
    AccountStatus,
    Execution,
    ExecutionKind,
    Message,
    Order,
    OrderKind,
    OrderStatus,
    Reason,
)
from schemas.units import E8
from tests.oracle.market_state import Market, over, too_large
from tests.oracle.naive_funds import OpenOrder
from tests.oracle.naive_limits import DAY, Why
from workers.kernel.stage import Output

Told = tuple[ExecutionKind, str, Reason, int | None, list[int]]


def compare_fees(market: Market, answer: Message, *orders: OpenOrder) -> None:
    """New orders of an account in a symbol pay the fees of its tier, if it has reached one."""
    tier = tier_of(market, orders[0].account, orders[0].symbol)
    for new in orders:
        if tier is not None:
            new.fee_rate, new.tiered = max(tier), True
    if isinstance(answer, Order):
        assert (answer.maker_fee_e8, answer.taker_fee_e8) == (tier or (None, None))


def tier_of(market: Market, account: str, symbol: str) -> tuple[int, int] | None:
    """The fees of what the account traded in the thirty days before today, for the same currency."""
    today, quote = market.desk.ts_us // DAY, market.naive.pairs[symbol][1]
    volume = sum(
        value
        for who, at, value, when in market.limits.fills
        if who == account and market.naive.pairs[at][1] == quote and today - 30 <= when // DAY < today
    )
    reached = [tier for tier in market.tiers[symbol] if tier[0] <= volume]
    return reached[-1][1:] if reached else None


def account_refusal(market: Market, new: OpenOrder, strategy: str | None, *, priced: bool, ahead: int = 0) -> Why:
    """Why an account cannot bear a new order."""
    why = market.limits.reducing_refusal(new, None, lost=new.account in market.losses.lost)
    why = why or strategy_refusal(market, strategy, new, None)
    why = why or market.limits.refusal(new, new.leaves, market.desk.ts_us, None, priced=priced, ahead=ahead)
    return why or market.naive.refusal(new)


def strategy_refusal(market: Market, strategy: str | None, new: OpenOrder, before: OpenOrder | None) -> Why:
    status = market.stopped.get((new.account, strategy), AccountStatus.ACTIVE)
    if status is AccountStatus.SUSPENDED:
        return "STRATEGY_SUSPENDED", None, None
    reducing = status is AccountStatus.REDUCING
    reduces = market.limits.reducing_refusal(new, before, lost=True) if reducing else None
    return None if reduces is None else ("STRATEGY_REDUCING", *reduces[1:])


def compare_answer(
    market: Market,
    answer: Message,
    new: OpenOrder,
    strategy: str | None,
    *,
    priced: bool,
    why: Callable[[], Why] | None = None,
) -> None:
    """What a new order was answered; `why` says what else may be wrong, before what the account can bear."""
    now_us = market.desk.ts_us
    market.losses.look(new.account, now_us)
    stopped = ("LIQUIDATION", None, None) if new.account in market.losses.liquidating else None
    expected = stopped or too_large(market, new.symbol, new.leaves) or (why and why())
    expected = expected or account_refusal(market, new, strategy, priced=priced)
    if isinstance(answer, Order):
        market.limits.passes(new, now_us)
        assert expected is None
        assert (answer.price_e8, answer.quantity_e8, answer.notional_e8) == (
            new.worst_price,
            new.leaves,
            new.budget,
        )
        assert answer.strategy == strategy
        market.open[answer.order_id] = market.placed[answer.order_id] = answer
        market.filled[answer.order_id] = 0
        market.tags[answer.order_id] = strategy
        market.naive.orders[answer.order_id] = new
    else:
        assert isinstance(answer, Execution)
        if answer.reason is not Reason.LIQUIDATION:
            over(market, new.account)
        assert (answer.reason, answer.limit_e8, answer.actual_e8) == expected


def by_age(removed: tuple[str, int, str, int | None, int | None]) -> tuple[str, int, int]:
    """Account by account, the oldest first."""
    account, order_id, *_ = removed
    return account, order_id % 2**45, order_id


def why_not(message: Message) -> tuple[int, str, int | None, int | None]:
    assert isinstance(message, Execution)
    assert (message.kind, message.status) == (ExecutionKind.REJECTED, OrderStatus.REJECTED)
    return message.order_id, str(message.reason), message.limit_e8, message.actual_e8


def of_a_timer(message: Message) -> bool:
    return isinstance(message, Execution) or (isinstance(message, Order) and message.reason is Reason.TIMER_EXPIRED)


def why_removed(output: Output) -> tuple[str, int, str, int | None, int | None]:
    message = output.message
    assert isinstance(message, Order)
    assert message.kind is OrderKind.REMOVE
    return message.account, message.order_id, str(message.reason), message.limit_e8, message.actual_e8


def removed_after(outputs: Sequence[Output]) -> list[Told]:
    """What accounts are told, and the orders that are taken out after each answer, for the same reason."""
    found: list[Told] = []
    for output in outputs:
        message = output.message
        if isinstance(message, Execution):
            found.append((message.kind, message.account, message.reason, message.expire_us, []))
            continue
        assert isinstance(message, Order)
        assert message.kind is OrderKind.REMOVE
        kind, account, reason, _, orders = found[-1]
        assert (message.account, message.reason or Reason.NONE) == (account, reason), kind
        orders.append(message.order_id)
    for output, told in zip((o for o in outputs if isinstance(o.message, Execution)), found, strict=True):
        assert isinstance(output.message, Execution)
        assert told[0] is ExecutionKind.CANCEL_AFTER_SET or output.message.actual_e8 == len(told[-1]) * E8
    return found
