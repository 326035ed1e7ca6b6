"""Transfers between accounts, of which each may live on another shard.

The shard of the account that gives decides: it knows what is free. It takes the amount and writes both halves in one
transaction, each under the key of its account; the shard of the other account gives it what it then reads there. So
nothing is moved twice or lost, and what was sent and not yet received is under way.
"""

from collections.abc import Mapping
from typing import Final

from schemas.messages import AccountKind, Control, Reason, Transfer, TransferKind
from workers.kernel.controls import Pair
from workers.kernel.stage import Output
from workers.kernel.wide import int64
from workers.risk.accounts import Account
from workers.risk.margin import transfer_refusal
from workers.risk.refusal import Refusal
from workers.risk.rules import SymbolRules

_NOTHING: Final = Refusal(Reason.NONE)


def send(control: Control, account: Account | None, pairs: Mapping[Pair, SymbolRules], now_us: int) -> list[Output]:
    """Take what a TRANSFER record moves from an account that has it free, and say so, or why not."""
    currency, amount_e8 = control.currency or "", control.amount_e8 or 0
    if account is None or account.kind is None:
        return [_half(control, TransferKind.REFUSED, now_us, Refusal(Reason.ACCOUNT_UNKNOWN))]
    refusal = _refusal(account, currency, amount_e8, pairs)
    if refusal is not None:
        return [_half(control, TransferKind.REFUSED, now_us, refusal)]
    account.move(currency, -amount_e8)
    return [_half(control, TransferKind.SENT, now_us), _half(control, TransferKind.RECEIVED, now_us)]


def _refusal(account: Account, currency: str, amount_e8: int, pairs: Mapping[Pair, SymbolRules]) -> Refusal | None:
    """A cash account gives what no order holds, a margin account what it has and its margin leaves."""
    balance = account.balances.get(currency)
    free_e8 = 0 if balance is None else balance.total_e8 - balance.reserved_e8
    if amount_e8 > free_e8:
        return Refusal(Reason.FUNDS_INSUFFICIENT, int64(free_e8), amount_e8)
    if account.kind is AccountKind.MARGIN:
        return transfer_refusal(account, currency, amount_e8, pairs)
    return None


def _half(control: Control, kind: TransferKind, now_us: int, refusal: Refusal = _NOTHING) -> Output:
    giver, taker = control.account or "", control.to_account or ""
    account = taker if kind is TransferKind.RECEIVED else giver
    half = Transfer(
        account=account,
        kind=kind,
        control_id=control.control_id,
        from_account=giver,
        to_account=taker,
        currency=control.currency or "",
        amount_e8=control.amount_e8 or 0,
        reason=refusal.reason,
        limit_e8=refusal.limit_e8,
        actual_e8=refusal.actual_e8,
        ts_us=now_us,
    )
    return Output("transfers", account, half)
