"""The demo's venue: its instrument, accounts, keys and funds as Control records."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from schemas.messages import AccountKind, AccountStatus, Control, ControlKind, SymbolStatus
from schemas.units import E8
from tradsys.demo.flow import SYMBOL, TICK_E8

MARGIN_EVERY: Final = 4
"""Each fourth account trades on margin, the others on cash."""

FUNDS_E8: Final = {"BTC": 10_000 * E8, "USD": 1_000_000_000 * E8}
LEVERAGE_E8: Final = 5 * E8
OPEN_ORDERS_MAX: Final = 20_000


def controls(
    run: str, accounts: Iterable[str], reference_price_e8: int, public_keys: Mapping[str, bytes]
) -> Iterator[Control]:
    """All that a venue needs before the first order. `run` makes the ids unique, keys are registered under it."""
    yield Control(
        kind=ControlKind.SYMBOL,
        control_id=f"{run}/symbol/{SYMBOL}",
        symbol=SYMBOL,
        symbol_status=SymbolStatus.TRADING,
        base="BTC",
        quote="USD",
        tick_e8=TICK_E8,
        lot_e8=1,
        quantity_min_e8=1,
        quantity_max_e8=10_000 * E8,
        notional_min_e8=0,
        notional_max_e8=1_000_000_000 * E8,
        price_band_e8=E8 * 95 // 100,  # recorded books reach far from the market
        reference_price_e8=reference_price_e8,
        maker_fee_e8=E8 // 10_000,
        taker_fee_e8=E8 // 2_500,
    )
    for number, account in enumerate(accounts):
        margin = number % MARGIN_EVERY == 0
        yield Control(
            kind=ControlKind.ACCOUNT,
            control_id=f"{run}/account/{account}",
            account=account,
            account_kind=AccountKind.MARGIN if margin else AccountKind.CASH,
            account_status=AccountStatus.ACTIVE,
            leverage_e8=LEVERAGE_E8 if margin else None,
            open_orders_max=OPEN_ORDERS_MAX,
        )
        for currency, amount_e8 in FUNDS_E8.items():
            yield Control(
                kind=ControlKind.FUNDS,
                control_id=f"{run}/funds/{account}/{currency}",
                account=account,
                currency=currency,
                amount_e8=amount_e8,
            )
        if account in public_keys:
            yield Control(
                kind=ControlKind.KEY,
                control_id=f"{run}/key/{account}",
                account=account,
                key_id=run,
                public_key=public_keys[account],
            )
