"""Commands, orders, trades and books: one answer each, one end each, priority kept."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from schemas.messages import BookChange, Execution, ExecutionKind, Liquidity, OrderStatus, Side, Trade
from schemas.order_states import ANSWERS_ONLY, FINAL, may_become
from schemas.units import make_id, split_id
from tradsys.audit.contents import Contents, Finding


def answers(contents: Contents) -> Iterator[Finding]:
    """Every command has exactly one answer: an execution, or a dead letter where it could not be used."""
    answered = Counter(e.command_id for e in contents.executions() if e.command_id is not None)
    for letter in contents.dead_letters():
        if letter.source_topic == "commands" and letter.stage == "risk":
            answered[make_id(letter.source_partition, letter.source_offset)] += 1
    asked = {command_id for command_id, _ in contents.commands()}
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
    """Every trade is one fill of its maker and one of its taker, with the same numbers."""
    sides: dict[int, list[Execution]] = defaultdict(list)
    for execution in contents.executions():
        if execution.kind is ExecutionKind.TRADE:
            sides[execution.trade_id or 0].append(execution)
    for trade in contents.trades():
        seen = sides.pop(trade.trade_id, [])
        expected = sorted(_fill(trade, liquidity) for liquidity in (Liquidity.MAKER, Liquidity.TAKER))
        actual = sorted(
            (str(e.liquidity), e.order_id, e.last_price_e8 or 0, e.last_quantity_e8 or 0, e.last_notional_e8 or 0)
            for e in seen
        )
        if actual != expected:
            yield Finding("fills", _position(trade.trade_id), f"fills {actual}, the trade says {expected}")
    for trade_id, orphans in sorted(sides.items()):
        yield Finding("fills", _position(trade_id), f"{len(orphans)} fills of a trade that is not in the log")


def priority(contents: Contents) -> Iterator[Finding]:
    """Every fill took the best price, and of that price the order that came first."""
    resting: dict[tuple[str, Side], list[tuple[int, int, int]]] = defaultdict(list)
    places: dict[int, tuple[int, int, int]] = {}
    """Per open order: where it stands in its queue. An amendment to no more at the same price keeps that."""
    newest: dict[int, Execution] = {}
    for execution in _events(contents):
        order_id, before = execution.order_id, newest.get(execution.order_id)
        newest[order_id] = execution
        enters = execution.kind in {ExecutionKind.NEW, ExecutionKind.TRIGGERED} or (
            execution.kind is ExecutionKind.AMENDED
            and before is not None
            and (execution.price_e8 != before.price_e8 or execution.quantity_e8 > before.quantity_e8)
        )
        if enters and not execution.waits and execution.price_e8 is not None:
            rank = -execution.price_e8 if execution.side is Side.BUY else execution.price_e8
            places[order_id] = (rank, execution.execution_id, order_id)
            heapq.heappush(resting[execution.symbol, execution.side], places[order_id])
        elif execution.kind is ExecutionKind.TRADE and execution.liquidity is Liquidity.MAKER:
            queue = resting[execution.symbol, execution.side]
            while queue and places.get(queue[0][2]) != queue[0]:
                heapq.heappop(queue)
            if not queue or queue[0][2] != order_id:
                first = _position(queue[0][2]) if queue else "nobody"
                yield Finding("priority", _position(order_id), f"filled, but first in the queue was {first}")
        if execution.status in FINAL:
            places.pop(order_id, None)
            newest.pop(order_id, None)


def books(contents: Contents) -> Iterator[Finding]:
    """Book changes have no gap, never cross, and end where the open orders stand."""
    levels: dict[tuple[str, Side], dict[int, int]] = defaultdict(dict)
    sequence: dict[str, int] = {}
    for change in contents.of("book", BookChange):
        expected = sequence.get(change.symbol, 0) + 1
        if change.sequence != expected:
            yield Finding("books", change.symbol, f"sequence {change.sequence} where {expected} was due")
        sequence[change.symbol] = change.sequence
        side = levels[change.symbol, change.side]
        if change.quantity_e8:
            side[change.price_e8] = change.quantity_e8
        else:
            side.pop(change.price_e8, None)
    expected_levels: dict[tuple[str, Side], Counter[int]] = defaultdict(Counter)
    for execution in open_orders(contents).values():
        if not execution.waits:
            expected_levels[execution.symbol, execution.side][execution.price_e8 or 0] += execution.leaves_e8
    for key in sorted(levels.keys() | expected_levels.keys()):
        symbol, side_name = key
        if levels[key] != dict(expected_levels[key]):
            differing = sorted(set(levels[key].items()) ^ set(expected_levels[key].items()))[:4]
            yield Finding("books", f"{symbol} {side_name}", f"levels differ from the open orders: {differing}")
    for symbol in sorted(sequence):
        bids, asks = levels[symbol, Side.BUY], levels[symbol, Side.SELL]
        if bids and asks and max(bids) >= min(asks):
            yield Finding("books", symbol, f"crossed: bid {max(bids)}, ask {min(asks)}")


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


def _fill(trade: Trade, liquidity: Liquidity) -> tuple[str, int, int, int, int]:
    order_id = trade.maker_order_id if liquidity is Liquidity.MAKER else trade.taker_order_id
    return str(liquidity), order_id, trade.price_e8, trade.quantity_e8, trade.notional_e8


def _gapless(name: str, ids: Iterable[int]) -> Iterator[Finding]:
    """Ids are ascending; risk's are a run of their own because of their bit."""
    previous: int | None = None
    for identity in ids:
        starts_run = previous is None or identity >> 47 != previous >> 47
        expected = (identity >> 47 << 47) + 1 if starts_run or previous is None else previous + 1
        if identity != expected:
            yield Finding("sequences", _position(identity), f"{name} where {_position(expected)} was due")
        previous = identity


def _position(identity: int) -> str:
    shard, number = split_id(identity)
    return f"{shard}/{number}"
