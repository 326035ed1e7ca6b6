"""What moves an account without its asking: the operator's decisions, and fills."""

from collections.abc import Mapping

from schemas.messages import AccountKind, AccountStatus, Control, ControlKind, Execution, SelfTradePrevention, Side
from schemas.seal import public_key
from workers.risk.accounts import OPEN_ORDERS_MAX_DEFAULT, Account
from workers.risk.holding import become
from workers.risk.rules import SymbolRules
from workers.risk.usage import Usage
from workers.risk.volumes import count

_BUY = Side.BUY


def set_account(account: Account, control: Control, symbols: Mapping[str, SymbolRules]) -> None:
    """What an ACCOUNT, KEY, FUNDS or STRATEGY record decides."""
    if control.kind is ControlKind.FUNDS:
        account.move(control.currency or "", control.amount_e8 or 0)
    elif control.kind is ControlKind.ACCOUNT:
        become(account, control.account_kind or AccountKind.UNKNOWN, symbols)
        if control.resume:
            account.loss = None
            account.worths.clear()
        account.decide(control.account_status or AccountStatus.UNKNOWN)
        account.leverage_e8 = control.leverage_e8 or 0
        limit = control.open_orders_max
        account.open_orders_max = OPEN_ORDERS_MAX_DEFAULT if limit is None else limit
        account.self_trade_prevention = control.self_trade_prevention or SelfTradePrevention.CANCEL_NEWEST
    elif control.kind is ControlKind.STRATEGY:
        account.strategies.pop(control.strategy or "", None)
        if control.account_status not in {None, AccountStatus.ACTIVE}:
            account.strategies[control.strategy or ""] = control.account_status
    elif control.kind is not ControlKind.KEY:
        return
    elif control.public_key is None:
        account.keys.pop(control.key_id or "", None)
    else:
        account.keys[control.key_id or ""] = public_key(control.public_key)


def settle(account: Account, rules: SymbolRules, execution: Execution, now_us: int) -> Usage:
    """Move what a fill moved; what is used of the limits in its symbol from now on."""
    quantity_e8, notional_e8 = execution.last_quantity_e8 or 0, execution.last_notional_e8 or 0
    quote = account.balance(rules.quote)
    if execution.side is _BUY:
        quote.total_e8 -= notional_e8
    else:
        quote.total_e8 += notional_e8
        quantity_e8 = -quantity_e8
    quote.total_e8 -= execution.fee_e8 or 0
    account.move(rules.base, quantity_e8)
    usage = account.usage(rules.symbol)
    usage.trade(quantity_e8, notional_e8, now_us)
    count(account.volumes, rules.quote, notional_e8, execution.ts_us)
    return usage
