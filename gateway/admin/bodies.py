"""What admins send: the bodies of the routes under /api/v1/admin, and the records' fields that they stand for.

A field that is left out stays as it is; null takes a rule away.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway import limits
from gateway.errors import ApiError, Code, Violation, violation
from gateway.fields import Decimal, PositiveDecimal
from gateway.orders.values import SYMBOL
from gateway.strict import refused
from schemas.controls import ACCOUNT, BREAKER_S_MAX
from schemas.decided import LIMIT_COUNTS, LIMIT_NUMBERS, SYMBOL_NUMBERS
from schemas.messages import AccountKind, AccountStatus, SelfTradePrevention, SymbolStatus
from schemas.units import UnitError, parse_e8

Name = Annotated[str, Field(min_length=1, max_length=64)]
Currency = Annotated[str, Field(pattern="^[A-Za-z0-9]{1,16}$")]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
AccountName = Annotated[str, Field(pattern=f"^{ACCOUNT.pattern}$")]
BreakerSeconds = Annotated[int, Field(ge=1, le=BREAKER_S_MAX)]
Fraction = Annotated[Decimal, Field(description="A fraction: 0.1 is 10 %")]


class Body(BaseModel):
    """Takes what it names, and nothing else."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Breaker(Body):
    """A circuit breaker."""

    move: Annotated[Decimal, Field(description="How far a trade may be from the first price of the window, a fraction")]
    window_s: BreakerSeconds
    halt_s: BreakerSeconds


class Tier(Body):
    """Fees from a volume of 30 days on."""

    volume: Decimal
    maker_fee: Decimal
    taker_fee: Decimal


class SymbolChange(Body):
    """The rules of a symbol; a new one needs tick and lot."""

    base: Annotated[Currency | None, Field(description="Else what stands before the dash of the name")] = None
    quote: Annotated[Currency | None, Field(description="Else what stands after the dash")] = None
    status: Literal["trading", "halted"] | None = None
    tick: Decimal | None = None
    lot: Decimal | None = None
    quantity_min: Decimal | None = None
    quantity_max: Decimal | None = None
    notional_min: Decimal | None = None
    notional_max: Decimal | None = None
    price_band: Fraction | None = None
    reference_price: Decimal | None = None
    maker_fee: Fraction | None = None
    taker_fee: Fraction | None = None
    maintenance_margin: Fraction | None = None
    initial_margin: Fraction | None = None
    breaker: Breaker | None = None
    fee_tiers: Annotated[list[Tier], Field(max_length=20)] | None = None
    order_types: Annotated[list[Name], Field(min_length=1, max_length=20)] | None = None
    times_in_force: Annotated[list[Name], Field(min_length=1, max_length=20)] | None = None
    max_open_orders: Count | None = None

    def fields(self) -> dict[str, Any]:
        """What is given, as a record says it. Raises ApiError."""
        given = self.model_dump(exclude_unset=True)
        numbers = _Numbers()
        fields = {name: given[name] for name in ("base", "quote") if given.get(name) is not None}
        if self.status is not None:
            fields["symbol_status"] = SymbolStatus(self.status.upper())
        fields |= numbers.all(given, SYMBOL_NUMBERS)
        if "breaker" in given:
            breaker = self.breaker
            fields["breaker_move_e8"] = None if breaker is None else numbers.one("breaker.move", breaker.move)
            fields["breaker_window_s"] = None if breaker is None else breaker.window_s
            fields["breaker_halt_s"] = None if breaker is None else breaker.halt_s
        if "fee_tiers" in given:
            tiers = [
                "/".join(str(numbers.one(f"fee_tiers.{place}.{name}", text)) for name, text in tier)
                for place, tier in enumerate(self.fee_tiers or ())
            ]
            fields["fee_tiers"] = ",".join(tiers) or None
        for name in ("order_types", "times_in_force"):
            if name in given:
                fields[name] = None if given[name] is None else ",".join(each.upper() for each in given[name])
        if "max_open_orders" in given:
            fields["open_orders_max"] = self.max_open_orders
        numbers.require()
        return fields


class AccountChange(Body):
    """What an account may do; a new one needs its kind."""

    kind: Literal["cash", "margin"] | None = None
    status: Literal["active", "reducing", "suspended"] | None = None
    leverage: Annotated[Decimal | None, Field(description="Of a margin account: largest exposure per equity")] = None
    open_orders_max: Count | None = None
    self_trade_prevention: Literal["cancel_newest", "cancel_oldest", "cancel_both", "decrement_and_cancel"] | None = (
        None
    )

    def fields(self) -> dict[str, Any]:
        """What is given, as a record says it. Raises ApiError."""
        given = self.model_dump(exclude_unset=True)
        numbers = _Numbers()
        fields = numbers.all(given, ("leverage_e8",))
        for name, field, kind in (
            ("kind", "account_kind", AccountKind),
            ("status", "account_status", AccountStatus),
            ("self_trade_prevention", "self_trade_prevention", SelfTradePrevention),
        ):
            if given.get(name) is not None:
                fields[field] = kind(given[name].upper())
        if "open_orders_max" in given:
            fields["open_orders_max"] = self.open_orders_max
        numbers.require()
        return fields


class LimitsBody(Body):
    """All limits of an account, of a symbol, of both, or of everybody; what is left out or null is not limited."""

    account: Annotated[Name | None, Field(description="Whose; null: of every account")] = None
    symbol: Annotated[str | None, Field(pattern=SYMBOL, description="In which symbol; null: in all")] = None
    max_order_size: Decimal | None = None
    max_position_size: Decimal | None = None
    max_daily_volume: Decimal | None = None
    max_open_orders: Count | None = None
    trade_frequency: Annotated[Count | None, Field(description="So many orders and amendments...")] = None
    trade_frequency_s: Annotated[Count | None, Field(description="...in so many seconds")] = None
    fat_finger_limit: Fraction | None = None
    concentration_limit: Fraction | None = None
    max_leverage: Decimal | None = None
    var_limit: Decimal | None = None
    max_daily_loss: Decimal | None = None
    max_drawdown: Fraction | None = None

    def fields(self) -> dict[str, Any]:
        """All of them, as a record says it. Raises ApiError."""
        numbers = _Numbers()
        given = self.model_dump()
        fields = numbers.all(given, LIMIT_NUMBERS) | {name: given[name] for name in LIMIT_COUNTS}
        numbers.require()
        return fields


class Kill(Body):
    """What is stopped. An account and its strategies, or all accounts of the venue, may be left to reduce."""

    what: Literal["symbol", "account", "strategy", "venue"]
    name: Annotated[Name | None, Field(description="Which symbol or account; not for the venue")] = None
    strategy: Annotated[Name | None, Field(description="Which strategy of the account")] = None
    reducing: Annotated[bool, Field(description="Accounts may still reduce their positions")] = False

    def status(self) -> AccountStatus:
        """What becomes of accounts. Raises ApiError where the names do not say what is meant."""
        needs = {"symbol": (True, False), "account": (True, False), "strategy": (True, True), "venue": (False, False)}
        if (self.name is not None, self.strategy is not None) != needs[self.what]:
            rule = "venue goes without a name, symbol and account with one, strategy with that of its account too"
            raise refused([violation("name", rule, self.name)])
        if self.reducing and self.what == "symbol":
            raise refused([violation("reducing", "a symbol cannot be reducing: an account or the venue can", True)])
        return AccountStatus.REDUCING if self.reducing else AccountStatus.SUSPENDED


class Funds(Body):
    """Funds of an account."""

    account: Name
    currency: Currency
    amount: PositiveDecimal

    def amount_e8(self) -> int:
        """Raises ApiError."""
        numbers = _Numbers()
        amount_e8 = numbers.one("amount", self.amount)
        numbers.require()
        if amount_e8 <= 0:
            raise refused([violation("amount", "must be positive", self.amount)])
        return amount_e8


class TransferBody(Funds):
    """Funds that move to another account."""

    to_account: Name


class StrategyChange(Body):
    """What a strategy of an account may do."""

    account: Name
    strategy: Annotated[Name, Field(description="As orders name it")]
    status: Literal["active", "reducing", "suspended"]

    def fields(self) -> dict[str, Any]:
        """As a record says it."""
        status = AccountStatus(self.status.upper())
        return {"account": self.account, "strategy": self.strategy, "account_status": status}


class NewUserBody(Body):
    """Who may log in."""

    username: AccountName
    password: Annotated[str, Field(min_length=limits.PASSWORD_MIN, max_length=limits.PASSWORD_MAX)]
    account: Annotated[
        AccountName | None, Field(description="For which the user acts; the user's name if left out")
    ] = None
    role: Literal["admin", "trader", "viewer"]


class UserChange(Body):
    """Another role, or whether the user may log in."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": [one], "properties": {one: {"not": {"type": "null"}}, other: {"type": "null"}}}
                for one, other in (("role", "disabled"), ("disabled", "role"))
            ]
        }
    )

    role: Literal["admin", "trader", "viewer"] | None = None
    disabled: bool | None = None

    def require_one(self) -> None:
        """Raises ApiError unless one of them is given."""
        if (self.role is None) is (self.disabled is None):
            raise ApiError(Code.VALIDATION_FAILED, "Give either role or disabled.", field="role")


class _Numbers:
    """Decimals of a body; all that are none are refused together."""

    def __init__(self) -> None:
        self._wrong: list[Violation] = []

    def all(self, given: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        """Those that are given, by the names of a record's fields."""
        fields: dict[str, Any] = {}
        for name in names:
            asked = name.removesuffix("_e8")
            if asked in given:
                fields[name] = None if given[asked] is None else self.one(asked, given[asked])
        return fields

    def one(self, path: str, text: str) -> int:
        """A decimal in 10^-8."""
        try:
            return parse_e8(text)
        except UnitError as error:
            self._wrong.append(violation(path, str(error), text))
            return 0

    def require(self) -> None:
        """Raises ApiError with all that are wrong."""
        if self._wrong:
            raise refused(self._wrong)
