"""Commands, orders, trades and books: one answer each, one end each, priority kept."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from schemas.levels import Ladder
from schemas.messages import (
    BookChange,
    ControlKind,
    Execution,
    ExecutionKind,
    Liquidity,
    Order,
    OrderKind,
    OrderStatus,
    OrderType,
    SessionChange,
    Side,
    Trade,
)
from schemas.order_states import ANSWERS_ONLY, FINAL, may_become
from schemas.units import make_id, split_id
from tradsys.audit.contents import Contents, Finding
from tradsys.audit.standing import Standing


def answers(contents: Contents) -> Iterator[Finding]:
    """Every command, liquidation and pair of a bracket has exactly one answer: an execution, or a dead letter."""
    answered = Counter(e.command_id for e in contents.executions() if e.command_id is not None)
    for letter in contents.dead_letters():
        if letter.source_topic == "commands" and letter.stage == "risk":
            answered[make_id(letter.source_partition, letter.source_offset)] += 1
    asked = {command_id for command_id, _ in contents.commands()}
    asked |= {order.command_id for order in contents.of("orders", Order) if _is_of_risk(order)}
    asked |= {make_id(r.partition, r.offset) for r in contents.undecodable if r.topic == "commands"}
    for command_id in sorted(asked | answered.keys()):
        count = answered[command_id]
        if command_id not in asked:
            yield Finding("answers", _position(command_id), f"{count} answers to a command that is not in the log")
        elif count != 1:
            yield Finding("answers", _position(command_id), f"{count} answers, must be 1")


def lives(contents: Contents) -> Iterator[Finding]:
    """Every order is open or has ended once, by steps that an order can take; quantities add up at each."""
    states: dict[int, OrderStatus] = {}
    traded: Counter[int] = Counter()
    for execution in _events(contents):
        order_id, kind, status = execution.order_id, execution.kind, execution.status
        before = states.get(order_id, OrderStatus.PENDING)
        if not may_become(before, kind, status):
            yield Finding("lives", _position(order_id), f"{kind} makes {status} of an order that is {before}")
        states[order_id] = status
        if kind is ExecutionKind.TRADE:
            traded[order_id] += execution.last_quantity_e8 or 0
        leaves = 0 if status in FINAL else execution.quantity_e8 - traded[order_id]
        if execution.cumulative_e8 != traded[order_id] or execution.leaves_e8 != leaves:
            yield Finding(
                "lives",
                _position(order_id),
                f"{kind}: cumulative {execution.cumulative_e8}, leaves {execution.leaves_e8}; "
                f"the fills give {traded[order_id]} and {leaves}",
            )


def sequences(contents: Contents) -> Iterator[Finding]:
    """Trade and execution ids have no gap and no repetition within their shard."""
    yield from _gapless("trade_id", (trade.trade_id for trade in contents.trades()))
    yield from _gapless("execution_id", (execution.execution_id for execution in contents.executions()))


def fills(contents: Contents) -> Iterator[Finding]:
    """Every trade is two fills with its numbers, of its maker and its taker or in an auction; none beyond its limit."""
    sides: dict[int, list[Execution]] = defaultdict(list)
    for execution in contents.executions():
        if execution.kind is ExecutionKind.TRADE:
            sides[execution.trade_id or 0].append(execution)
    for trade in contents.trades():
        seen = sides.pop(trade.trade_id, [])
        expected = sorted(_fills(trade))
        actual = sorted(
            (str(e.liquidity), e.order_id, e.last_price_e8 or 0, e.last_quantity_e8 or 0, e.last_notional_e8 or 0)
            for e in seen
        )
        if actual != expected:
            yield Finding("fills", _position(trade.trade_id), f"fills {actual}, the trade says {expected}")
        for fill in seen:
            limit_e8, price_e8 = fill.price_e8, fill.last_price_e8 or 0
            if limit_e8 is not None and (price_e8 > limit_e8 if fill.side is Side.BUY else price_e8 < limit_e8):
                yield Finding("fills", _position(trade.trade_id), f"{fill.side} at {price_e8}, its limit is {limit_e8}")
    for trade_id, orphans in sorted(sides.items()):
        yield Finding("fills", _position(trade_id), f"{len(orphans)} fills of a trade that is not in the log")


def priority(contents: Contents) -> Iterator[Finding]:
    """Every fill took the best price, and of that price the order that came first; in an auction on both sides."""
    standing = Standing()
    for execution in _events(contents):
        if execution.kind is ExecutionKind.TRADE and execution.liquidity is not Liquidity.TAKER:
            first = standing.first(execution.symbol, execution.side)
            if first != execution.order_id:
                who = "nobody" if first is None else _position(first)
                yield Finding("priority", _position(execution.order_id), f"filled, but first in the queue was {who}")
        standing.fold(execution)


def auctions(contents: Contents) -> Iterator[Finding]:
    """All trades of one auction have one price."""
    prices: dict[tuple[str, int], int] = {}
    for trade in contents.trades():
        if trade.aggressor_side is Side.UNKNOWN:
            price_e8 = prices.setdefault((trade.symbol, trade.ts_us), trade.price_e8)
            if trade.price_e8 != price_e8:
                yield Finding("auctions", _position(trade.trade_id), f"at {trade.price_e8}, others at {price_e8}")


def books(contents: Contents) -> Iterator[Finding]:
    """Book changes have no gap, cross only while a session collects orders, and end where the open orders stand."""
    levels: dict[tuple[str, Side], Ladder] = {}
    decided = (c for c in contents.controls() if c.kind is ControlKind.SESSION or c.breaker_move_e8 is not None)
    sessions = {control.symbol for control in decided}
    sequence: dict[str, int] = {}
    for change in contents.of("book", BookChange):
        expected = sequence.get(change.symbol, 0) + 1
        if change.sequence != expected:
            yield Finding("books", change.symbol, f"sequence {change.sequence} where {expected} was due")
        sequence[change.symbol] = change.sequence
        bids, asks = (
            levels.setdefault((change.symbol, s), Ladder(sign)) for s, sign in ((Side.BUY, 1), (Side.SELL, -1))
        )
        (bids if change.side is Side.BUY else asks).put(change.price_e8, change.quantity_e8)
        if change.collecting and change.symbol not in sessions:
            yield Finding("books", change.symbol, f"change {change.sequence} collects, but no session was decided")
        bid, ask = bids.best(), asks.best()
        if change.last and not change.collecting and bid and ask and bid[0] >= ask[0]:
            yield Finding("books", change.symbol, f"crossed after {change.sequence}: bid {bid[0]}, ask {ask[0]}")
    expected_levels: dict[tuple[str, Side], Counter[int]] = defaultdict(Counter)
    standing = Standing()
    for execution in _events(contents):
        standing.fold(execution)
    for order_id, shown_e8 in standing.shown_e8.items():
        execution = standing.newest[order_id]
        expected_levels[execution.symbol, execution.side][execution.price_e8 or 0] += shown_e8
    for key in sorted(levels.keys() | expected_levels.keys()):
        symbol, side_name = key
        ladder = levels.get(key)
        differing = set(ladder.top(len(ladder)) if ladder else ()) ^ set(expected_levels[key].items())
        if differing:
            told = f"levels differ from the open orders: {sorted(differing)[:4]}"
            yield Finding("books", f"{symbol} {side_name}", told)


def sessions(contents: Contents) -> Iterator[Finding]:
    """Changes of a symbol's session have no gap."""
    sequence: Counter[str] = Counter()
    for change in contents.of("sessions", SessionChange):
        if change.sequence != sequence[change.symbol] + 1:
            due = sequence[change.symbol] + 1
            yield Finding("sessions", change.symbol, f"sequence {change.sequence} where {due} was due")
        sequence[change.symbol] = change.sequence


def open_orders(contents: Contents) -> dict[int, Execution]:
    """The newest execution of every order that has not ended."""
    state: dict[int, Execution] = {}
    for execution in _events(contents):
        if execution.status in FINAL:
            state.pop(execution.order_id, None)
        else:
            state[execution.order_id] = execution
    return state


def _events(contents: Contents) -> Iterator[Execution]:
    """The executions that change an order; the others answer a command by repeating what was."""
    return (execution for execution in contents.executions() if execution.kind not in ANSWERS_ONLY)


def _fills(trade: Trade) -> Iterator[tuple[str, int, int, int, int]]:
    """Both sides of a trade. One without an aggressor was made in an auction."""
    auction = trade.aggressor_side is Side.UNKNOWN
    for order_id, liquidity in ((trade.maker_order_id, Liquidity.MAKER), (trade.taker_order_id, Liquidity.TAKER)):
        what = Liquidity.AUCTION if auction else liquidity
        yield str(what), order_id, trade.price_e8, trade.quantity_e8, trade.notional_e8


def _gapless(name: str, ids: Iterable[int]) -> Iterator[Finding]:
    """Ids are ascending; risk's are a run of their own because of their bit."""
    previous: int | None = None
    for identity in ids:
        starts_run = previous is None or identity >> 47 != previous >> 47
        expected = (identity >> 47 << 47) + 1 if starts_run or previous is None else previous + 1
        if identity != expected:
            yield Finding("sequences", _position(identity), f"{name} where {_position(expected)} was due")
        previous = identity


def _is_of_risk(order: Order) -> bool:
    """Whether pre-trade risk has made it without a command: a liquidation, or what comes of a bracket."""
    brought = order.kind is OrderKind.OCO and order.group_id != order.order_id
    return brought or order.order_type is OrderType.LIQUIDATION


def _position(identity: int) -> str:
    shard, number = split_id(identity)
    return f"{shard}/{number}"
