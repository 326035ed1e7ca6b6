"""What a Control record must say to be one: asked by the operator's door before it writes, and by every stage after.

Pure, and a function of the record alone, so that all stages of all shards decide alike.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from schemas.messages import (
    AccountKind,
    AccountStatus,
    Control,
    ControlKind,
    OrderType,
    Phase,
    SelfTradePrevention,
    SymbolStatus,
    TimeInForce,
)
from schemas.pairs import pair_error
from schemas.seal import KEY_ID_CHARACTERS_MAX, PUBLIC_KEY_BYTES
from schemas.units import E8, INT64_MAX, TIME_US_MAX

CONTROL_ID_CHARACTERS_MAX: Final = 128
"""Longest control_id."""

STRATEGY_CHARACTERS_MAX: Final = 64
"""Longest name of a strategy."""

TRADE_FREQUENCY_S_MAX: Final = 86_400
"""Longest time in which a trade frequency comes back."""

FEE_VOLUME_DAYS: Final = 30
"""UTC days before the current one whose fills make an account's tier."""

FEE_TIERS_MAX: Final = 20
"""Most tiers of fees of a symbol."""

BREAKER_S_MAX: Final = 3_600
"""Longest window and longest halt of a circuit breaker: it remembers a price a second of its window."""

N = TypeVar("N", bound=StrEnum)

_SYMBOL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", re.ASCII)
_TIERS: Final = re.compile(r"[0-9]{1,19}/-?[0-9]{1,9}/[0-9]{1,9}(,[0-9]{1,19}/-?[0-9]{1,9}/[0-9]{1,9})*", re.ASCII)
_CURRENCY: Final = re.compile(r"[A-Za-z0-9]{1,16}", re.ASCII)
ACCOUNT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", re.ASCII)
"""What an account may be called, and a user."""
_STRATEGY: Final = re.compile(rf"[ -~]{{1,{STRATEGY_CHARACTERS_MAX}}}", re.ASCII)
_KEY_ID: Final = re.compile(rf"[!-~]{{1,{KEY_ID_CHARACTERS_MAX}}}", re.ASCII)


def control_error(control: Control) -> str | None:
    """A sentence that says what is wrong with a Control, None when it can be applied."""
    if not 1 <= len(control.control_id) <= CONTROL_ID_CHARACTERS_MAX:
        return f"control_id has {len(control.control_id)} characters: it must have 1 to {CONTROL_ID_CHARACTERS_MAX}"
    check = _CHECKS.get(control.kind)
    if check is None:
        return f"control {control.control_id!r}: the kind {control.kind} is not known to this release"
    detail = check(control) or _cancel_open(control) or _prevention(control)
    return None if detail is None else f"control {control.control_id!r} ({control.kind}): {detail}"


def _cancel_open(control: Control) -> str | None:
    stops = {
        ControlKind.SYMBOL: control.symbol_status is SymbolStatus.HALTED,
        ControlKind.ACCOUNT: control.account_status in {AccountStatus.SUSPENDED, AccountStatus.REDUCING},
        ControlKind.STRATEGY: control.account_status in {AccountStatus.SUSPENDED, AccountStatus.REDUCING},
    }
    if control.cancel_open and not stops.get(control.kind):
        return "cancel_open goes with a HALTED symbol, a SUSPENDED or a REDUCING account or strategy: others may rest"
    return None


def _prevention(control: Control) -> str | None:
    if control.self_trade_prevention is SelfTradePrevention.UNKNOWN:
        return "self_trade_prevention is one that this release does not know (null: CANCEL_NEWEST)"
    return None


def _symbol_name(control: Control) -> str | None:
    if control.symbol is None or not _SYMBOL.fullmatch(control.symbol):
        return f"symbol {control.symbol!r} must be 1 to 32 letters, digits, '.', '_' or '-', such as BTC-USD"
    return None


def _symbol(control: Control) -> str | None:
    if (detail := _symbol_name(control)) is not None:
        return detail
    for name, currency in (("base", control.base), ("quote", control.quote)):
        if currency is None or not _CURRENCY.fullmatch(currency):
            return f"{name} {currency!r} must be 1 to 16 letters or digits, such as BTC"
    if control.base == control.quote:
        return f"base and quote are both {control.base!r}: a currency cannot be traded for itself"
    if control.symbol_status is None:
        return "symbol_status is missing: TRADING or HALTED"
    return _symbol_numbers(control)


def _symbol_numbers(control: Control) -> str | None:
    for name in ("tick_e8", "lot_e8"):
        if (getattr(control, name) or 0) <= 0:
            return f"{name} is {getattr(control, name)}: it must be positive"
    for name in ("price_band_e8", "reference_price_e8"):
        value = getattr(control, name)
        if value is not None and value <= 0:
            return f"{name} is {value}: it must be positive (null: none)"
    margin_e8 = control.maintenance_margin_e8
    if margin_e8 is not None and not 0 < margin_e8 < E8:
        return f"maintenance_margin_e8 is {margin_e8}: it must be above 0 and below {E8} (a whole; null: none)"
    initial_e8 = control.initial_margin_e8
    if initial_e8 is not None and not max(margin_e8 or 0, 1) <= initial_e8 <= E8:
        least = "above 0" if margin_e8 is None else f"from maintenance_margin_e8, {margin_e8},"
        return f"initial_margin_e8 is {initial_e8}: it must be {least} to {E8} (a whole; null: none)"
    return _symbol_limits(control) or _symbol_fees(control) or _breaker(control) or _symbol_orders(control)


def names_in(text: str | None, names: type[N]) -> tuple[N, ...] | None:
    """The members of an enum that a list in a record names; None for none, which stands for all. Raises ValueError."""
    return None if text is None else tuple(names(name) for name in text.split(","))


def _symbol_orders(control: Control) -> str | None:
    """What orders a symbol takes, and how many."""
    lists: tuple[tuple[str, str | None, type[StrEnum]], ...] = (
        ("order_types", control.order_types, OrderType),
        ("times_in_force", control.times_in_force, TimeInForce),
    )
    for field, text, names in lists:
        known = [name for name in names if name != "UNKNOWN"]
        listed = [] if text is None else text.split(",")
        if any(name not in known for name in listed) or len(set(listed)) != len(listed):
            return f"{field} is {text!r}: it must be some of {','.join(known)}, each once (null: all)"
    if (control.open_orders_max or 0) < 0:
        return f"open_orders_max is {control.open_orders_max}: it must not be negative (null: the account's)"
    return None


def _breaker(control: Control) -> str | None:
    move_e8, times = control.breaker_move_e8, (control.breaker_window_s, control.breaker_halt_s)
    if move_e8 is None and times == (None, None):
        return None
    if move_e8 is None or None in times:
        return "breaker_move_e8, breaker_window_s and breaker_halt_s go together (null: no circuit breaker)"
    if not 0 < move_e8 < E8:
        return f"breaker_move_e8 is {move_e8}: it must be above 0 and below {E8} (a whole)"
    for name, value_s in zip(("breaker_window_s", "breaker_halt_s"), times, strict=True):
        if not 1 <= (value_s or 0) <= BREAKER_S_MAX:
            return f"{name} is {value_s}: it must be from 1 to {BREAKER_S_MAX} (an hour)"
    return None


def _symbol_limits(control: Control) -> str | None:
    for name in ("quantity", "notional"):
        smallest, largest = getattr(control, f"{name}_min_e8"), getattr(control, f"{name}_max_e8")
        for limit, value in (("min", smallest), ("max", largest)):
            if value is not None and value < 0:
                return f"{name}_{limit}_e8 is {value}: it must not be negative (null: no limit)"
        if smallest is not None and largest is not None and smallest > largest:
            return f"{name}_min_e8 {smallest} is above {name}_max_e8 {largest}: no order could pass"
    return None


class FeeTier(NamedTuple):
    """What is paid from a volume on, as fractions of the notional; all in 10^-8."""

    volume_e8: int
    maker_e8: int
    taker_e8: int


def fee_tiers(text: str | None) -> tuple[FeeTier, ...]:
    """The tiers that a list in a record names, the smallest volume first. Raises ValueError for another text."""
    if text is None:
        return ()
    if not _TIERS.fullmatch(text):
        message = f"fee_tiers is {text[:80]!r}: it must be VOLUME/MAKER/TAKER in 10^-8, with commas between tiers"
        raise ValueError(message)
    return tuple(FeeTier(*map(int, tier.split("/"))) for tier in text.split(","))


def _fee_tiers(control: Control) -> str | None:
    try:
        tiers = fee_tiers(control.fee_tiers)
    except ValueError as error:
        return str(error)
    if len(tiers) > FEE_TIERS_MAX:
        return f"fee_tiers has {len(tiers)} tiers: it must have at most {FEE_TIERS_MAX}"
    reached_e8 = 0
    for tier in tiers:
        if not reached_e8 < tier.volume_e8 <= INT64_MAX:
            return f"fee_tiers names the volume {tier.volume_e8} after {reached_e8}: volumes must rise from above 0"
        reached_e8 = tier.volume_e8
        if (detail := _fees(tier.maker_e8, tier.taker_e8)) is not None:
            return f"fee_tiers: {detail}"
    return None


def _symbol_fees(control: Control) -> str | None:
    return _fees(control.maker_fee_e8 or 0, control.taker_fee_e8 or 0) or _fee_tiers(control)


def _fees(maker_e8: int, taker_e8: int) -> str | None:
    if not 0 <= taker_e8 <= E8:
        return f"taker_fee_e8 is {taker_e8}: it must be from 0 to {E8} (a whole)"
    if not -E8 <= maker_e8 <= E8:
        return f"maker_fee_e8 is {maker_e8}: it must be from {-E8} (a rebate) to {E8} (a whole)"
    return None


_LIMITS: Final = (
    "max_order_size_e8",
    "max_position_size_e8",
    "max_daily_volume_e8",
    "max_open_orders",
    "fat_finger_limit_e8",
    "concentration_limit_e8",
    "max_leverage_e8",
    "var_limit_e8",
    "max_daily_loss_e8",
    "max_drawdown_e8",
)


def _limits(control: Control) -> str | None:
    if control.account is not None and (detail := _account_name(control)) is not None:
        return detail
    if control.symbol is not None and (detail := _symbol_name(control)) is not None:
        return detail
    for name in _LIMITS:
        value = getattr(control, name)
        if value is not None and value < 0:
            return f"{name} is {value}: it must not be negative (null: no limit)"
    for name in ("max_daily_loss_e8", "max_drawdown_e8"):
        if control.symbol is not None and getattr(control, name) is not None:
            return f"{name} is of an account's equity in a currency: name no symbol"
    return _trade_frequency(control)


def _trade_frequency(control: Control) -> str | None:
    count, seconds = control.trade_frequency, control.trade_frequency_s
    if (count is None) is not (seconds is None):
        return "trade_frequency and trade_frequency_s go together: so many orders, and the seconds for them"
    if count is not None and count < 1:
        return f"trade_frequency is {count}: it must be at least 1 (a suspended account sends none)"
    if seconds is not None and not 1 <= seconds <= TRADE_FREQUENCY_S_MAX:
        return f"trade_frequency_s is {seconds}: it must be from 1 to {TRADE_FREQUENCY_S_MAX} (a day)"
    return None


def _session(control: Control) -> str | None:
    if (detail := _symbol_name(control)) is not None:
        return detail
    if control.phase is Phase.UNKNOWN:
        return "phase is one that this release does not know (null: withdraw what is planned)"
    if control.effective_us is not None and not 0 <= control.effective_us < TIME_US_MAX:
        return f"effective_us is {control.effective_us}: it must be a time before the year 10000 (null: at once)"
    return None


def _account_name(control: Control) -> str | None:
    if control.account is None or not ACCOUNT.fullmatch(control.account):
        return f"account {control.account!r} must be 1 to 64 letters, digits, '.', '_', '@', '+' or '-'"
    return None


def _account(control: Control) -> str | None:
    if (detail := _account_name(control)) is not None:
        return detail
    if control.account_kind is None:
        return "account_kind is missing: CASH or MARGIN"
    if control.account_status is None:
        return "account_status is missing: ACTIVE, REDUCING or SUSPENDED"
    if control.account_kind is AccountKind.MARGIN and (control.leverage_e8 or 0) <= 0:
        return f"leverage_e8 is {control.leverage_e8}: a MARGIN account needs a positive one (5x is 500000000)"
    if (control.open_orders_max or 0) < 0:
        return f"open_orders_max is {control.open_orders_max}: it must not be negative (null: the default)"
    return None


def _key(control: Control) -> str | None:
    if (detail := _account_name(control)) is not None:
        return detail
    if control.key_id is None or not _KEY_ID.fullmatch(control.key_id):
        return f"key_id {control.key_id!r} must be 1 to {KEY_ID_CHARACTERS_MAX} printable ASCII characters, no spaces"
    if control.public_key is not None and len(control.public_key) != PUBLIC_KEY_BYTES:
        return f"public_key has {len(control.public_key)} bytes: an Ed25519 key has {PUBLIC_KEY_BYTES} (null: revoke)"
    return None


def _funds(control: Control) -> str | None:
    detail = _account_name(control) or _currency(control)
    if detail is None and not control.amount_e8:
        return f"amount_e8 is {control.amount_e8}: a deposit is positive, a withdrawal negative"
    return detail


def _transfer(control: Control) -> str | None:
    if (detail := _account_name(control) or _currency(control)) is not None:
        return detail
    if control.to_account is None or not ACCOUNT.fullmatch(control.to_account):
        return f"to_account {control.to_account!r} must be 1 to 64 letters, digits, '.', '_', '@', '+' or '-'"
    if control.to_account == control.account:
        return f"account and to_account are both {control.account!r}: nothing would move"
    if (control.amount_e8 or 0) <= 0:
        return f"amount_e8 is {control.amount_e8}: it must be positive"
    return None


def _strategy(control: Control) -> str | None:
    if (detail := _account_name(control)) is not None:
        return detail
    if control.strategy is None or not _STRATEGY.fullmatch(control.strategy):
        return f"strategy {control.strategy!r} must be 1 to {STRATEGY_CHARACTERS_MAX} printable ASCII characters"
    if control.account_status is None:
        return "account_status is missing: ACTIVE, REDUCING or SUSPENDED"
    return None


def _currency(control: Control) -> str | None:
    if control.currency is None or not _CURRENCY.fullmatch(control.currency):
        return f"currency {control.currency!r} must be 1 to 16 letters or digits, such as USD"
    return None


def _pair(control: Control) -> str | None:
    for name in ("symbol1", "symbol2"):
        symbol = getattr(control, name)
        if symbol is None or not _SYMBOL.fullmatch(symbol):
            return f"{name} {symbol!r} must be 1 to 32 letters, digits, '.', '_' or '-', such as BTC-USD"
    return pair_error(control)


_CHECKS: Final[dict[ControlKind, Callable[[Control], str | None]]] = {
    ControlKind.SYMBOL: _symbol,
    ControlKind.ACCOUNT: _account,
    ControlKind.KEY: _key,
    ControlKind.FUNDS: _funds,
    ControlKind.TRANSFER: _transfer,
    ControlKind.STRATEGY: _strategy,
    ControlKind.LIMITS: _limits,
    ControlKind.SESSION: _session,
    ControlKind.PAIR: _pair,
}
