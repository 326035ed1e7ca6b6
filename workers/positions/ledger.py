"""Balances and the double-entry postings that move them.

Each posting moves a positive amount from one account to another, so the sum over all accounts of a currency is zero by
construction. The venue's own accounts are names in postings: world (deposits and withdrawals), clearing (between the
two sides of a trade: zero once both are posted), transit (transfers that are under way) and fees.
"""

from typing import Final

from schemas.messages import Execution, LedgerEntry, LedgerKind, Side
from schemas.units import NUMBER_BITS
from workers.kernel.controls import Pair
from workers.kernel.stage import Output
from workers.kernel.wide import int64

WORLD: Final = "venue:world"
CLEARING: Final = "venue:clearing"
TRANSIT: Final = "venue:transit"
FEES: Final = "venue:fees"

_BUY: Final = Side.BUY
_TRADE: Final = LedgerKind.TRADE
_FEE: Final = LedgerKind.FEE

Balances = dict[str, int]
"""Per currency, 10^-8."""


class Ledger:
    """The balances of one shard's accounts."""

    def __init__(self, shard: int) -> None:
        self._base_id = shard << NUMBER_BITS
        self.sequence = 0
        """Of the last posting."""
        self.balances: dict[str, Balances] = {}

    def post_funds(self, control_id: str, account: str, currency: str, amount_e8: int, ts_us: int) -> list[Output]:
        """A deposit (positive) or withdrawal."""
        kind = LedgerKind.DEPOSIT if amount_e8 > 0 else LedgerKind.WITHDRAWAL
        return self._post(kind, WORLD, control_id, account, currency, amount_e8, ts_us)

    def post_transfer(self, control_id: str, account: str, currency: str, amount_e8: int, ts_us: int) -> list[Output]:
        """What a transfer brings to an account (positive) or takes from it."""
        return self._post(LedgerKind.TRANSFER, TRANSIT, control_id, account, currency, amount_e8, ts_us)

    def _post(
        self, kind: LedgerKind, other: str, control_id: str, account: str, currency: str, amount_e8: int, ts_us: int
    ) -> list[Output]:
        balances = self._of(account)
        balance_e8 = balances[currency] = balances.get(currency, 0) + amount_e8
        self.sequence += 1
        gets = amount_e8 > 0
        entry = LedgerEntry(
            entry_id=self._base_id | self.sequence,
            kind=kind,
            account=account,
            debit_account=account if gets else other,
            credit_account=other if gets else account,
            currency=currency,
            amount_e8=abs(amount_e8),
            balance_e8=int64(balance_e8),
            ts_us=ts_us,
            control_id=control_id,
        )
        return [Output("ledger", account, entry)]

    def post_fill(self, fill: Execution, pair: Pair, ts_us: int) -> list[Output]:
        """What one side of a trade moves: what it gives, what it gets, the fee. An amount of 0 is not posted."""
        base, quote = pair
        account, symbol, trade_id, order_id = fill.account, fill.symbol, fill.trade_id, fill.order_id
        correlation_id = fill.correlation_id
        quantity_e8, notional_e8 = fill.last_quantity_e8 or 0, fill.last_notional_e8 or 0
        gives = (quote, -notional_e8) if fill.side is _BUY else (base, -quantity_e8)
        gets = (base, quantity_e8) if fill.side is _BUY else (quote, notional_e8)
        moves = ((_TRADE, CLEARING, *gives), (_TRADE, CLEARING, *gets), (_FEE, FEES, quote, -(fill.fee_e8 or 0)))
        balances = self._of(account)
        outputs: list[Output] = []
        for kind, other, currency, change_e8 in moves:
            if not change_e8:
                continue
            balance_e8 = balances[currency] = balances.get(currency, 0) + change_e8
            self.sequence += 1
            entry = LedgerEntry(  # by position: by name it costs ten times as much
                self._base_id | self.sequence,
                kind,
                account,
                account if change_e8 > 0 else other,
                other if change_e8 > 0 else account,
                currency,
                abs(change_e8),
                int64(balance_e8),
                ts_us,
                symbol,
                trade_id,
                order_id,
                None,
                correlation_id,
            )
            outputs.append(Output("ledger", account, entry))
        return outputs

    def _of(self, account: str) -> Balances:
        balances = self.balances.get(account)
        if balances is None:
            balances = self.balances[account] = {}
        return balances
