"""Positions, ledger and candles are the fold of trades, and nothing is created or lost."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

from schemas.controls import control_error
from schemas.messages import (
    Candle,
    ControlKind,
    Execution,
    ExecutionKind,
    LedgerEntry,
    LedgerKind,
    Position,
    Side,
    Transfer,
    TransferKind,
)
from schemas.units import INT64_MAX, INT64_MIN, split_id
from tradsys.audit.contents import Contents, Finding

CLEARING = "venue:clearing"
TRANSIT = "venue:transit"


def sayable(amount_e8: int) -> int:
    """As a record tells it: the nearest number that it can carry."""
    return min(max(amount_e8, INT64_MIN), INT64_MAX)


def positions(contents: Contents) -> Iterator[Finding]:
    """The newest position of each account and symbol has the quantity, fees and cash flow of its fills."""
    quantity: Counter[tuple[str, str]] = Counter()
    flow: Counter[tuple[str, str]] = Counter()
    fees: Counter[tuple[str, str]] = Counter()
    for execution in _trades(contents):
        key = execution.account, execution.symbol
        sign = 1 if execution.side is Side.BUY else -1
        quantity[key] += sign * (execution.last_quantity_e8 or 0)
        flow[key] += sign * (execution.last_notional_e8 or 0)
        fees[key] += execution.fee_e8 or 0
    newest: dict[tuple[str, str], Position] = {}
    for position in contents.of("positions", Position):
        key = position.account, position.symbol
        previous = newest[key].sequence if key in newest else 0
        if position.sequence != previous + 1:
            yield Finding("positions", "/".join(key), f"sequence {position.sequence} where {previous + 1} was due")
        newest[key] = position
    for key in sorted(quantity.keys() | newest.keys()):
        seen = newest.get(key)
        expected = sayable(quantity[key]), flow[key], sayable(fees[key])
        actual = (seen.quantity_e8, seen.cost_e8 - seen.realised_e8, seen.fees_e8) if seen else None
        if seen and {seen.cost_e8, seen.realised_e8} & {INT64_MIN, INT64_MAX}:
            expected = actual = expected[0], 0, expected[2]  # cut: what they were cannot be told
        if actual != expected:
            yield Finding(
                "positions", "/".join(key), f"(quantity, cost - realised, fees) {actual}, fills give {expected}"
            )
    for symbol in sorted({symbol for _, symbol in quantity}):
        total = sum(held for (_, name), held in quantity.items() if name == symbol)
        if total:
            yield Finding("positions", symbol, f"long and short differ by {total}: quantity was created or lost")


def balances(contents: Contents) -> Iterator[Finding]:
    """Postings have no gap, each balance is their fold, clearing and transit end at zero, all add up to zero."""
    held: Counter[tuple[str, str]] = Counter()
    next_entry: dict[int, int] = {}
    for entry in contents.of("ledger", LedgerEntry):
        shard, number = split_id(entry.entry_id)
        if number != next_entry.get(shard, 1):
            yield Finding("balances", f"{shard}/{number}", f"entry {next_entry.get(shard, 1)} was due")
        next_entry[shard] = number + 1
        held[entry.debit_account, entry.currency] += entry.amount_e8
        held[entry.credit_account, entry.currency] -= entry.amount_e8
        balance = held[entry.account, entry.currency]
        if entry.amount_e8 <= 0 or sayable(balance) != entry.balance_e8:
            yield Finding("balances", f"{shard}/{number}", f"balance {entry.balance_e8}, the postings give {balance}")
    totals: Counter[str] = Counter()
    for (account, currency), balance in sorted(held.items()):
        totals[currency] += balance
        if account in {CLEARING, TRANSIT} and balance:
            yield Finding("balances", f"{account} {currency}", f"ends at {balance}: money was created or lost")
    for currency, total in sorted(totals.items()):
        if total:
            yield Finding("balances", currency, f"all balances add up to {total}, must be 0")


def postings(contents: Contents) -> Iterator[Finding]:
    """Every deposit, withdrawal and fill stands in the ledger, once."""
    controls: Counter[str] = Counter()
    filled: Counter[tuple[str, int, int]] = Counter()
    for entry in contents.of("ledger", LedgerEntry):
        if entry.control_id is not None:
            controls[entry.control_id] += 1
        elif entry.kind is LedgerKind.TRADE:
            filled[entry.account, entry.order_id or 0, entry.trade_id or 0] += 1
    for control in contents.controls():
        if control.kind is ControlKind.FUNDS and control.amount_e8 and controls[control.control_id] != 1:
            yield Finding("postings", control.control_id, f"{controls[control.control_id]} postings, must be 1")
    for execution in _trades(contents):
        key = execution.account, execution.order_id, execution.trade_id or 0
        legs = sum(1 for amount in (execution.last_quantity_e8, execution.last_notional_e8) if amount)
        if filled[key] != legs:
            yield Finding("postings", "/".join(map(str, key)), f"{filled[key]} postings of a fill, must be {legs}")


def transfers(contents: Contents) -> Iterator[Finding]:
    """Every transfer is refused, or sent and received; each half stands in the ledger, once."""
    posted: Counter[Half] = Counter()
    for entry in contents.of("ledger", LedgerEntry):
        if entry.kind is LedgerKind.TRANSFER:
            sign = 1 if entry.debit_account == entry.account else -1
            posted[entry.control_id or "", entry.account, entry.currency, sign * entry.amount_e8] += 1
    decided: dict[str, list[TransferKind]] = defaultdict(list)
    due: Counter[Half] = Counter()
    for half in contents.of("transfers", Transfer):
        decided[half.control_id].append(half.kind)
        if half.kind is not TransferKind.REFUSED:
            gets = half.kind is TransferKind.RECEIVED
            account, sign = (half.to_account, 1) if gets else (half.from_account, -1)
            due[half.control_id, account, half.currency, sign * half.amount_e8] += 1
    ids = {c.control_id for c in contents.controls() if c.kind is ControlKind.TRANSFER and control_error(c) is None}
    for control_id in sorted(ids | decided.keys()):
        kinds = sorted(decided[control_id])
        if kinds not in ([TransferKind.REFUSED], [TransferKind.RECEIVED, TransferKind.SENT]) or control_id not in ids:
            yield Finding("transfers", control_id, f"was {', '.join(kinds) or 'not decided'}")
    for key in sorted(posted.keys() | due.keys()):
        if posted[key] != 1 or due[key] != 1:
            where = "/".join(map(str, key))
            yield Finding("transfers", where, f"{posted[key]} postings of {due[key]} halves, must be 1 of 1")


Half = tuple[str, str, str, int]
"""Control record, account, currency, and how much it gets; negative where it gives."""


def candles(contents: Contents) -> Iterator[Finding]:
    """Each interval is final once, none is missing, and volumes add up to the trades."""
    volume: Counter[str] = Counter()
    for trade in contents.trades():
        volume[trade.symbol] += trade.quantity_e8
    newest: dict[tuple[str, int], dict[int, Candle]] = defaultdict(dict)
    for candle in contents.of("candles", Candle):
        series = newest[candle.symbol, candle.interval_s]
        before = series.get(candle.open_us)
        if before is not None and before.final:
            yield Finding("candles", _where(candle), "changed after it was final")
        series[candle.open_us] = candle
    for (symbol, interval_s), series in sorted(newest.items()):
        opens = sorted(series)
        for previous, following in pairwise(opens):
            if following - previous != interval_s * 1_000_000:
                yield Finding("candles", _where(series[following]), "an interval before it is missing")
            if not series[previous].final:
                yield Finding("candles", _where(series[previous]), "never became final")
        total = sum(candle.volume_e8 for candle in series.values())
        if total != volume[symbol]:
            yield Finding(
                "candles", f"{symbol} {interval_s} s", f"volumes add up to {total}, trades to {volume[symbol]}"
            )


def _trades(contents: Contents) -> Iterator[Execution]:
    return (e for e in contents.executions() if e.kind is ExecutionKind.TRADE)


def _where(candle: Candle) -> str:
    return f"{candle.symbol} {candle.interval_s} s at {candle.open_us}"
