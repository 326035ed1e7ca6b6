"""The matching core beside the engines of PyPI, its memory, and its snapshots.

usage: python -m bench.matching [--operations N] [--repeat N] [--speed-only]

Speed: one core, one flow for all: 60 % limit orders, 40 % cancels, 1,000 resting in steady state, quantities of 1 to
100 lots, prices within 50 ticks. Every engine makes all of its events; they are thrown away. The engines take turns at
chunks of the same flow, and CPU time counts, so that what else the machine does hits all alike. Trades and volume must
be equal.

- `apply` is what the stage runs: records in, outputs out.
- `matcher` is the same without the choice of the topic and of the book: what the peers' calls are.
- lightmatchingengine gives the order and its trades.
- matching-engine is written for Python 3.12: below, its `type X = Y` lines are read as `X = Y`; nothing else changes.

Ours makes more than the peers: an execution of 28 fields for each side of a fill, a trade, and each changed level.
"""

import argparse
import gc
import importlib.machinery
import importlib.util
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.messages import (
    Control,
    ControlKind,
    Order,
    OrderKind,
    OrderType,
    SelfTradePrevention,
    Side,
    SymbolStatus,
    TimeInForce,
    Trade,
)
from schemas.units import E8
from workers.kernel.stage import Input
from workers.matching.book import Book
from workers.matching.core import MatchingCore
from workers.matching.matcher import Matcher

RESULTS = Path(__file__).parent / "results" / "matching.json"
SYMBOL = "BTC-USD"
MAKER_FEE_E8, TAKER_FEE_E8 = 100_000, 200_000
RESTING = 1_000
CANCEL_SHARE = 0.4
CHUNK = 250
SNAPSHOT_ORDERS = 100_000
MATCHING_ENGINE = "matching-engine==0.1.1"


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine under test."""

    name: str
    prepare: Callable[[Order], Any]
    """An order as its input, made of new objects, as a decoder would."""
    run: Callable[[list[Any]], float]
    """CPU seconds for a chunk."""
    traded: Callable[[Any], list[int]]
    """Applies one input; the quantities that traded, 10^-8."""


def new_core() -> MatchingCore:
    """A core with one symbol."""
    core = MatchingCore(0, 1)
    symbol = Control(
        kind=ControlKind.SYMBOL,
        control_id="symbol",
        symbol=SYMBOL,
        symbol_status=SymbolStatus.TRADING,
        base="BTC",
        quote="USD",
        tick_e8=1,
        lot_e8=1,
        maker_fee_e8=MAKER_FEE_E8,
        taker_fee_e8=TAKER_FEE_E8,
    )
    core.apply(Input("control", 0, 0, 0, "", symbol, b""))
    return core


def flow(seed: int, count: int) -> list[Order]:
    """Orders and cancels; of cancels only those that find their order, as one of the peers stops at others."""
    rng = random.Random(seed)
    core = new_core()
    book = core.books[SYMBOL]
    orders: list[Order] = []
    live: list[Order] = []
    placed = 0
    while len(orders) < count:
        if len(orders) >= RESTING and rng.random() < CANCEL_SHARE:
            order = _cancelled(rng, live, book, len(orders))
        else:
            placed += 1
            order = _placed(rng, placed, aggressive=len(book.orders) > RESTING)
        core.apply(Input("orders", 0, len(orders), 0, SYMBOL, order, b""))
        if order.order_id in book.orders:
            live.append(order)
        orders.append(order)
    return orders


def _placed(rng: random.Random, number: int, *, aggressive: bool) -> Order:
    side = rng.choice((Side.BUY, Side.SELL))
    ticks = rng.randint(0, 10) if aggressive else -rng.randint(1, 50)
    return Order(
        kind=OrderKind.NEW,
        command_id=number,
        order_id=number,
        account=f"account-{rng.randrange(100)}",
        client_order_id=f"order-{number}",
        symbol=SYMBOL,
        side=side,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price_e8=(10_000 + (ticks if side is Side.BUY else -ticks)) * E8 // 100,
        quantity_e8=rng.randint(1, 100) * E8 // 100,
        post_only=False,
        self_trade_prevention=SelfTradePrevention.NONE,
        command_us=1_700_000_000_000_000 + number,
    )


def _cancelled(rng: random.Random, live: list[Order], book: Book, number: int) -> Order:
    while True:
        at = rng.randrange(len(live))
        order, live[at] = live[at], live[-1]
        live.pop()
        if order.order_id in book.orders:
            return _copy(order, kind=OrderKind.CANCEL, command_id=1_000_000_000 + number)


def _copy(order: Order, kind: OrderKind | None = None, command_id: int | None = None) -> Order:
    """New objects for each number and string that a decoder would make anew."""
    return Order(
        kind or order.kind,
        (command_id or order.command_id) + 1 - 1,
        order.order_id + 1 - 1,
        _anew(order.account),
        _anew(order.client_order_id),
        _anew(order.symbol),
        order.side,
        order.order_type,
        order.time_in_force,
        order.price_e8 + 1 - 1,
        order.quantity_e8 + 1 - 1,
        order.post_only,
        order.self_trade_prevention,
        order.command_us + 1 - 1,
    )


def _anew(text: str) -> str:
    return text.encode().decode()


def apply_engine() -> Engine:
    """The stage's own entrance."""
    core = new_core()

    def prepare(order: Order) -> Input:
        return Input("orders", 0, order.command_id, 1_700_000_000_000_000, SYMBOL, _copy(order), b"")

    def run(chunk: list[Input]) -> float:
        apply, start = core.apply, time.process_time()
        for record in chunk:
            apply(record)
        return time.process_time() - start

    def traded(record: Input) -> list[int]:
        return [out.message.quantity_e8 for out in core.apply(record) if isinstance(out.message, Trade)]

    return Engine("apply", prepare, run, traded)


def matcher_engine() -> Engine:
    """Orders against one book."""
    book, matcher = new_core().books[SYMBOL], Matcher(0)
    new = OrderKind.NEW

    def run(chunk: list[Order]) -> float:
        enter, cancel, start = matcher.enter, matcher.cancel, time.process_time()
        for order in chunk:
            if order.kind is new:
                enter(book, order, 1)
            else:
                cancel(book, order, 1)
        return time.process_time() - start

    def traded(order: Order) -> list[int]:
        outputs = (matcher.enter if order.kind is new else matcher.cancel)(book, order, 1)
        return [out.message.quantity_e8 for out in outputs if isinstance(out.message, Trade)]

    return Engine("matcher", _copy, run, traded)


def light_engine() -> Engine:
    """lightmatchingengine: its ids count its orders, as the flow's do. Its trades come for either side."""
    from lightmatchingengine.lightmatchingengine import LightMatchingEngine  # noqa: PLC0415 - a peer may be missing

    engine = LightMatchingEngine()
    sides = {"BUY": 1, "SELL": 2}

    def prepare(order: Order) -> tuple[bool, int, int, int]:
        placed = order.kind is OrderKind.NEW
        price, quantity = order.price_e8 + 1 - 1, order.quantity_e8 + 1 - 1
        return (placed, price, quantity, sides[order.side]) if placed else (False, order.order_id + 1 - 1, 0, 0)

    def run(chunk: list[tuple[bool, int, int, int]]) -> float:
        add, cancel, start = engine.add_order, engine.cancel_order, time.process_time()
        for placed, number, quantity, side in chunk:
            if placed:
                add(SYMBOL, number, quantity, side)
            else:
                cancel(number, SYMBOL)
        return time.process_time() - start

    def traded(given: tuple[bool, int, int, int]) -> list[int]:
        placed, number, quantity, side = given
        if not placed:
            engine.cancel_order(number, SYMBOL)
            return []
        return [
            trade.trade_qty for trade in engine.add_order(SYMBOL, number, quantity, side)[1] if trade.trade_side != side
        ]

    return Engine("lightmatchingengine", prepare, run, traded)


def matching_engine() -> Engine:
    """matching-engine: sequenced commands in, events out."""
    from matching_engine import domain, events  # noqa: PLC0415 - a peer may be missing
    from matching_engine.engine import MatchingEngine  # noqa: PLC0415

    engine = MatchingEngine()
    sequence = 0
    none = domain.SelfTradePrevention.NONE
    sides = {"BUY": domain.Side.BUY, "SELL": domain.Side.SELL}

    def prepare(order: Order) -> Any:
        nonlocal sequence
        sequence += 1
        account = int(order.account.removeprefix("account-")) + 1_000
        price, quantity = order.price_e8 + 1 - 1, order.quantity_e8 + 1 - 1
        if order.kind is OrderKind.NEW:
            command = domain.NewOrder(order.order_id + 1 - 1, account, sides[order.side], price, quantity, stp=none)
        else:
            command = domain.CancelOrder(order.order_id + 1 - 1, account)
        return domain.SequencedCommand(sequence, 1, command)

    def run(chunk: list[Any]) -> float:
        process, start = engine.process, time.process_time()
        for command in chunk:
            process(command)
        return time.process_time() - start

    def traded(command: Any) -> list[int]:
        return [event.qty for event in engine.process(command) if isinstance(event, events.Trade)]

    return Engine("matching-engine", prepare, run, traded)


@contextmanager
def peer_of_newer_python() -> Iterator[str | None]:
    """Makes matching_engine importable below Python 3.12; gives why it is not."""
    if sys.version_info >= (3, 12):
        yield None if importlib.util.find_spec("matching_engine") else f"{MATCHING_ENGINE} is not installed"
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--ignore-requires-python"]
        done = subprocess.run(
            [*command, "--target", folder, MATCHING_ENGINE], capture_output=True, text=True, check=False
        )
        if done.returncode:
            yield f"pip could not fetch {MATCHING_ENGINE}: {done.stderr.strip().splitlines()[-1]}"
            return

        class OlderSyntax(importlib.machinery.SourceFileLoader):
            def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:
                return super().source_to_code(re.sub(rb"(?m)^type (\w+) =", rb"\1 =", data), path, _optimize=_optimize)

        def hook(path: str) -> importlib.machinery.FileFinder:
            if not path.startswith(folder):
                raise ImportError(path)
            return importlib.machinery.FileFinder(path, (OlderSyntax, [".py"]))

        sys.path_hooks.insert(0, hook)
        sys.path.insert(0, folder)
        try:
            yield None
        finally:
            sys.path.remove(folder)
            sys.path_hooks.remove(hook)


def speed(operations: int, repeat: int) -> dict[str, Any]:
    """Operations a second of each engine, and how far ours are ahead."""
    orders = flow(1, operations + RESTING)
    with peer_of_newer_python() as missing:
        makers = [apply_engine, matcher_engine, light_engine, *([] if missing else [matching_engine])]
        totals = {maker().name: _totals(maker(), orders) for maker in makers}
        assert len(set(totals.values())) == 1, f"the engines do not trade alike: {totals}"
        rounds = [_race([maker() for maker in makers], orders) for _ in range(repeat)]
    trades, volume_e8 = totals["apply"]
    rates = {name: [round(operations / seconds[name]) for seconds in rounds] for name in totals}
    peers = [name for name in totals if name not in {"apply", "matcher"}]
    return {
        "operations": operations,
        "trades_of_each": trades,
        "volume_e8_of_each": volume_e8,
        "missing": missing,
        "operations_per_s": {name: round(statistics.median(values)) for name, values in rates.items()},
        "ahead_of": {
            ours: {peer: round(statistics.median(s[peer] / s[ours] for s in rounds), 2) for peer in peers}
            for ours in ("apply", "matcher")
        },
    }


def _totals(engine: Engine, orders: Sequence[Order]) -> tuple[int, int]:
    quantities = [quantity for order in orders for quantity in engine.traded(engine.prepare(order))]
    return len(quantities), sum(quantities)


def _race(engines: Sequence[Engine], orders: Sequence[Order]) -> dict[str, float]:
    gc.collect()
    seconds = dict.fromkeys((engine.name for engine in engines), 0.0)
    for start in range(0, len(orders), CHUNK):
        for engine in engines:
            took = engine.run([engine.prepare(order) for order in orders[start : start + CHUNK]])
            if start >= RESTING:
                seconds[engine.name] += took
    return seconds


def resting_orders(count: int) -> Iterator[Order]:
    """Orders that rest, over 2,000 prices, with ids as long as those of clients."""
    for number in range(1, count + 1):
        side = Side.BUY if number % 2 else Side.SELL
        away = number * 7_919 % 1_000 + 1
        identity = 1 << 48 | number
        yield Order(
            kind=OrderKind.NEW,
            command_id=identity,
            order_id=identity,
            account=f"account-{number % 5_000:06d}",
            client_order_id=f"client-order-{number:020d}",
            symbol=SYMBOL,
            side=side,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            price_e8=(10_000 + (-away if side is Side.BUY else away)) * E8,
            quantity_e8=(number % 100 + 1) * E8,
            post_only=False,
            self_trade_prevention=SelfTradePrevention.CANCEL_NEWEST,
            command_us=1_700_000_000_000_000 + number,
            correlation_id=f"{number:032x}",
        )


def memory(count: int) -> dict[str, Any]:
    """Bytes a resting order, all that the core holds included; orders come from the codec, as in production."""
    from schemas.codec import local_codec  # noqa: PLC0415 - the speed alone needs no codec

    codec = local_codec()
    values = [codec.encode(order) for order in resting_orders(count)]
    core = new_core()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number, value in enumerate(values):
        core.apply(Input("orders", 0, number, 0, SYMBOL, codec.decode(value, "Order"), b""))
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(core.books[SYMBOL].orders) == count
    return {"resting_orders": count, "bytes_per_order": round(held / count)}


def snapshot(count: int, repeat: int) -> dict[str, Any]:
    """Milliseconds to write and to read the state, at best."""
    core = new_core()
    for number, order in enumerate(resting_orders(count)):
        core.apply(Input("orders", 0, number, 0, SYMBOL, order, b""))
    dumps, loads = [], []
    state = b""
    for _ in range(repeat):
        start = time.process_time()
        state = core.dump()
        dumps.append(time.process_time() - start)
        other = MatchingCore(0, 1)
        start = time.process_time()
        other.load(state, core.behaviour)
        loads.append(time.process_time() - start)
        assert other.dump() == state
    return {
        "resting_orders": count,
        "bytes": len(state),
        "dump_ms": round(min(dumps) * 1_000, 1),
        "load_ms": round(min(loads) * 1_000, 1),
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    models = (
        re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("ascii")) if sys.platform == "linux" else []
    )
    return {
        "cores": os.cpu_count(),
        "cpu": models[0] if models else platform.machine(),
        "python": platform.python_version(),
    }


def main() -> int:
    """Measure, print, record under this Python's version."""
    parser = argparse.ArgumentParser(prog="bench.matching", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--speed-only", action="store_true", help="needs msgspec and the peers alone")
    arguments = parser.parse_args()
    result = {"machine": machine(), "speed": speed(arguments.operations, arguments.repeat)}
    if not arguments.speed_only:
        result["memory"] = memory(SNAPSHOT_ORDERS)
        result["snapshot"] = snapshot(SNAPSHOT_ORDERS, arguments.repeat)
    recorded = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    recorded[f"python {sys.version_info.major}.{sys.version_info.minor}"] = result
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(recorded, indent=2) + "\n", "utf-8")
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
