"""What the venue's rules cost: the plain mix against an earlier release, and an operation against what rests.

usage: python -m bench.rules [--operations N] [--turns N] [--record]

The mix of bench.matching (60 % limit orders, 40 % cancels) goes through the matching core of the foundation, the commit
before the venue's rules were completed, and through this one in turn, each in a process of its own: CPU seconds, and
the ratio of the medians. Then microseconds of CPU an operation, medians of several chunks, with more and more orders
resting: in one book (a limit order, an amendment of its price, and its cancel), and of one account in pre-trade risk (a
new order and its cancel, sealed).
"""

import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from bench.matching import SYMBOL, machine, new_core, resting_orders
from schemas.messages import (
    AccountKind,
    AccountStatus,
    Command,
    CommandKind,
    Control,
    ControlKind,
    Order,
    OrderKind,
    OrderType,
    Side,
    SymbolStatus,
)
from schemas.seal import seal_headers, seal_hmac
from schemas.units import E8
from workers.kernel.stage import Input
from workers.risk.core import RiskCore

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results" / "rules.json"
FOUNDATION = "54536e212af78d4e5ba96f1f4b235b45e345aa10"
MIX = "from bench.matching import _race, apply_engine, flow; print(*_race([apply_engine()], flow(1, {count})).values())"
IN_A_BOOK = (1_000, 10_000, 100_000)
OF_AN_ACCOUNT = (100, 1_000, 10_000)
CHUNKS, OPERATIONS = 15, 300
SECRET = bytes(32)


def mix(operations: int, turns: int) -> dict[str, Any]:
    """Both releases in turn."""
    seconds: dict[str, list[float]] = {"foundation": [], "now": []}
    with tempfile.TemporaryDirectory(prefix="tradsys-bench-") as directory:
        before = Path(directory)
        command = ["git", "archive", FOUNDATION]
        archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(before, filter="data")
        for library in (ROOT / "schemas").glob("_avro*.so"):
            shutil.copy(library, before / "schemas")
        for _ in range(turns):
            for name, root in (("foundation", before), ("now", ROOT)):
                environment = os.environ | {"PYTHONPATH": str(root)}
                code = MIX.format(count=operations)
                done = subprocess.run(
                    [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=True
                )
                seconds[name].append(float(done.stdout))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    rounded = {name: [round(value, 3) for value in values] for name, values in seconds.items()}
    return {"operations": operations, "seconds": rounded, "ratio": round(medians["now"] / medians["foundation"], 2)}


def in_a_book() -> dict[int, float]:
    """Microseconds an operation by the number of orders that rest."""
    found = {}
    for count in IN_A_BOOK:
        core = new_core()
        for number, order in enumerate(resting_orders(count)):
            core.apply(Input("orders", 0, number, 0, SYMBOL, order, b""))
        inputs = [
            Input("orders", 0, 0, 0, SYMBOL, change, b"")
            for order in resting_orders(CHUNKS * OPERATIONS)
            for change in _life(order)
        ]
        found[count] = _median_us(core.apply, inputs)
        assert len(core.books[SYMBOL].orders) == count
    return found


def _life(order: Order) -> Iterable[Order]:
    placed = msgspec.structs.replace(order, order_id=order.order_id + (1 << 40))
    yield placed
    yield msgspec.structs.replace(placed, kind=OrderKind.AMEND, price_e8=placed.price_e8 - E8 // 100)
    yield msgspec.structs.replace(placed, kind=OrderKind.CANCEL)


def of_an_account() -> dict[int, float]:
    """Microseconds a command by the number of the account's open orders."""
    found = {}
    for count in OF_AN_ACCOUNT:
        core = RiskCore(0, 1, seal_secrets={"bench": SECRET})
        for offset, control in enumerate(_venue()):
            core.apply(Input("control", 0, offset, 1, "", control, b""))
        for number in range(count):
            core.apply(_sealed(number, _command(CommandKind.NEW, number)))
        inputs = []
        for number in range(count, count + CHUNKS * OPERATIONS):
            inputs.append(_sealed(2 * number, _command(CommandKind.NEW, number)))
            inputs.append(_sealed(2 * number + 1, _command(CommandKind.CANCEL, number - count)))
        found[count] = _median_us(core.apply, inputs)
    return found


def _venue() -> Iterable[Control]:
    yield Control(
        ControlKind.SYMBOL, "symbol", symbol=SYMBOL, symbol_status=SymbolStatus.TRADING, base="BTC", quote="USD",
        tick_e8=1, lot_e8=1,
    )  # fmt: skip
    yield Control(
        ControlKind.ACCOUNT, "account", account="alice", account_kind=AccountKind.CASH,
        account_status=AccountStatus.ACTIVE, open_orders_max=1_000_000,
    )  # fmt: skip
    yield Control(ControlKind.FUNDS, "funds", account="alice", currency="USD", amount_e8=10**9 * E8)


def _command(kind: CommandKind, number: int) -> Command:
    if kind is CommandKind.CANCEL:
        return Command(kind, "alice", client_order_id=f"order-{number}")
    return Command(
        kind,
        "alice",
        client_order_id=f"order-{number}",
        symbol=SYMBOL,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        price_e8=100 * E8,
        quantity_e8=E8,
    )


def _sealed(offset: int, command: Command) -> Input:
    value = msgspec.json.encode(command)
    return Input("commands", 0, offset, 1, "alice", command, value, seal_headers("bench", seal_hmac(SECRET, value)))


def _median_us(apply: Callable[[Input], Any], inputs: list[Input]) -> float:
    size = len(inputs) // CHUNKS
    took = []
    for start in range(0, size * CHUNKS, size):
        chunk = inputs[start : start + size]
        began = time.process_time()
        for each in chunk:
            apply(each)
        took.append((time.process_time() - began) / size * 1e6)
    return round(statistics.median(took), 2)


def main() -> int:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operations", type=int, default=200_000)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--record", action="store_true", help="write bench/results/rules.json")
    chosen = parser.parse_args()
    result = {
        "machine": machine(),
        "mix": mix(chosen.operations, chosen.turns),
        "us_an_operation_by_orders_in_a_book": in_a_book(),
        "us_a_command_by_open_orders_of_an_account": of_an_account(),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if chosen.record:
        RESULTS.write_text(text + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
