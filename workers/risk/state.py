"""Risk's whole state as bytes, and back. What can be counted again (reserved sums, indexes) is not written."""

from collections import deque
from typing import Final

import msgspec

from schemas.messages import AccountKind, AccountStatus, SelfTradePrevention
from schemas.order_states import FINAL
from schemas.seal import public_key
from workers.kernel.controls import ControlGate, Pair
from workers.kernel.wide import decode, encode
from workers.risk.accounts import Account, Balance
from workers.risk.brackets import names_of
from workers.risk.holding import hold_again, join
from workers.risk.limit_table import Limits, LimitTable
from workers.risk.orders import RiskOrder
from workers.risk.rules import SymbolRules
from workers.risk.sweeps import Sweep
from workers.risk.usage import Bucket, Loss, Worth
from workers.risk.value_at_risk import MarkHistory, Samples
from workers.risk.volumes import Volume

RESERVES_MARGIN: Final = 2
"""The first behaviour version whose orders of margin accounts say themselves how much they hold."""

WHOLE_LOTS: Final = 6
"""The first behaviour version whose symbols keep their limits in whole lots and ticks."""


class _Account(msgspec.Struct, array_like=True, gc=False):
    name: str
    kind: AccountKind | None
    status: AccountStatus
    leverage_e8: int
    open_orders_max: int
    keys: list[tuple[str, bytes]]
    balances: list[tuple[str, int]]
    orders: list[RiskOrder]
    """In the order of their ids, which is that of their commands."""
    finals: list[int]
    """In the order in which they ended."""
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.CANCEL_NEWEST
    traded: list[tuple[str, int, int]] = []
    """Each symbol that it has used: the day and the notional of its fills; sorted."""
    buckets: list[Bucket] = []
    """Sorted by what they count."""
    nets: list[tuple[str, int]] = []
    """Symbol and what fills have made of the position, sorted; flat ones are left out."""
    worths: list[Worth] = []
    """Sorted by currency."""
    loss: Loss | None = None
    states: int = 0
    cancel_after_us: int | None = None
    strategies: list[tuple[str, AccountStatus]] = []
    """Those that may not place all; sorted."""
    called: bool = False
    liquidating: bool = False
    leaves: bool = False
    volumes: list[Volume] = []
    """Sorted by currency."""


class _State(msgspec.Struct, array_like=True, gc=False):
    sequence: int
    gate: tuple[list[str], list[tuple[str, Pair]]]
    symbols: list[SymbolRules]
    """In the order in which they were first set."""
    marks: list[tuple[str, int]]
    accounts: list[_Account]
    limits: list[tuple[str, str, Limits]] = []
    history: list[tuple[str, Samples]] = []
    liquidations: int = 0
    sweeps: list[tuple[str, Sweep]] = []
    """Sorted by symbol."""


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_State)


def dump(
    sequence: int,
    gate: ControlGate,
    symbols: dict[str, SymbolRules],
    marks: dict[str, int],
    accounts: dict[str, Account],
    limits: LimitTable,
    history: MarkHistory,
    liquidations: int,
    sweeps: dict[str, Sweep],
) -> bytes:
    """The state as MessagePack; equal states give equal bytes."""
    return encode(
        _ENCODER,
        _State(
            sequence,
            gate.dump(),
            list(symbols.values()),
            sorted(marks.items()),
            [_dump_account(accounts[name]) for name in sorted(accounts)],
            limits.dump(),
            history.dump(),
            liquidations,
            sorted(sweeps.items()),
        ),
    )


def load(
    state_bytes: bytes, gate: ControlGate, limits: LimitTable, history: MarkHistory, behaviour: int
) -> tuple[int, dict[str, SymbolRules], dict[str, int], dict[str, Account], int, dict[str, Sweep]]:
    """Execution sequence, symbols, marks, accounts, how many orders liquidated, and sweeps; the others take their
    parts.
    """
    state = decode(_DECODER, state_bytes)
    gate.load(state.gate)
    limits.load(state.limits)
    history.load(state.history)
    symbols = {rules.symbol: rules for rules in state.symbols}
    if behaviour < WHOLE_LOTS:
        for rules in symbols.values():
            rules.quantity_min_e8 = -(-rules.quantity_min_e8 // rules.lot_e8) * rules.lot_e8
            rules.quantity_max_e8 = rules.quantity_max_e8 // rules.lot_e8 * rules.lot_e8
            rules.set_mark(rules.mark_e8)
    if behaviour < RESERVES_MARGIN:
        for item in state.accounts:
            if item.kind is AccountKind.MARGIN:
                for order in item.orders:
                    order.reserved_e8 = order.leaves_e8
    accounts = {item.name: _load_account(item, symbols) for item in state.accounts}
    return state.sequence, symbols, dict(state.marks), accounts, state.liquidations, dict(state.sweeps)


def _dump_account(account: Account) -> _Account:
    return _Account(
        account.name,
        account.kind,
        account.decided,
        account.leverage_e8,
        account.open_orders_max,
        [(key_id, account.keys[key_id].public_bytes_raw()) for key_id in sorted(account.keys)],
        [(currency, account.balances[currency].total_e8) for currency in sorted(account.balances)],
        list(account.orders.values()),
        list(account.finals),
        account.self_trade_prevention,
        [(name, used.day, used.traded_e8) for name, used in sorted(account.usages.items())],
        [account.buckets[scope] for scope in sorted(account.buckets)],
        [(name, used.net_e8) for name, used in sorted(account.usages.items()) if used.net_e8],
        [account.worths[currency] for currency in sorted(account.worths)],
        account.loss,
        account.states,
        account.cancel_after_us,
        sorted(account.strategies.items()),
        account.called,
        account.liquidating,
        account.leaves,
        [account.volumes[currency] for currency in sorted(account.volumes)],
    )


def _load_groups(account: Account, orders: list[RiskOrder]) -> None:
    """Which orders are open pairs, and what is to come of entries."""
    firsts: dict[int, RiskOrder] = {}
    for order in orders:
        if order.group_id is None or order.status in FINAL:
            continue
        if order.brings():
            account.promised.update(names_of(order))
        elif order.leaves_e8:
            first = firsts.setdefault(order.group_id, order)
            if first is not order:
                join(account, first, order)


def _load_account(item: _Account, symbols: dict[str, SymbolRules]) -> Account:
    account = Account(item.name)
    account.kind = item.kind
    account.loss, account.states = item.loss, item.states
    account.called, account.liquidating = item.called, item.liquidating
    account.decide(item.status)
    account.worths = {worth.currency: worth for worth in item.worths}
    account.leverage_e8 = item.leverage_e8
    account.open_orders_max = item.open_orders_max
    account.self_trade_prevention = item.self_trade_prevention
    account.cancel_after_us = item.cancel_after_us
    account.strategies = dict(item.strategies)
    account.leaves = item.leaves
    account.keys = {key_id: public_key(raw) for key_id, raw in item.keys}
    account.balances = {currency: Balance(total_e8) for currency, total_e8 in item.balances}
    account.volumes = {volume.currency: volume for volume in item.volumes}
    account.finals = deque(item.finals)
    account.buckets = {bucket.scope: bucket for bucket in item.buckets}
    for symbol, day, traded_e8 in item.traded:
        usage = account.usage(symbol)
        usage.day, usage.traded_e8 = day, traded_e8
    for symbol, net_e8 in item.nets:
        account.usage(symbol).net_e8 = net_e8
    for order in item.orders:
        account.remember(order)
        if order.status not in FINAL:
            account.await_end(order)
    _load_groups(account, item.orders)
    held = [(order, order.reserved_e8) for order in item.orders if order.reserved_e8]
    for order, _ in held:
        order.reserved_e8 = order.open_e8 = order.open_notional_e8 = 0
    for order, needed_e8 in held:
        hold_again(account, order, symbols[order.symbol], needed_e8)
    return account
