"""One value of a request each: ids, symbols, sides, moments and numbers of money."""

import re
from typing import Annotated, Any, Final

import msgspec

from gateway import limits
from gateway.errors import ApiError, Code
from schemas.messages import Side
from schemas.units import INT64_MAX, UnitError, format_e8, parse_e8, parse_us

SYMBOL: Final = rf"^[A-Za-z0-9._-]{{1,{limits.SYMBOL_CHARACTERS_MAX}}}$"
CLIENT_ORDER_ID: Final = rf"^[A-Za-z0-9._:+/=@-]{{1,{limits.CLIENT_ORDER_ID_MAX}}}$"
DECIMAL: Final[dict[str, Any]] = {
    "format": "decimal",
    "pattern": r"^-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,8})?$",
    "examples": ["0.015"],
}
POSITIVE: Final[dict[str, Any]] = DECIMAL | {"pattern": r"^(?!0(\.0+)?$)(0|[1-9][0-9]{0,9})(\.[0-9]{1,8})?$"}
"""What the OpenAPI document says of numbers of money: ten digits before the point always fit into 64 bits."""
TIME: Final[dict[str, Any]] = {"format": "date-time", "examples": ["2030-01-31T12:00:00Z"]}
"""The same of times."""
ORDER_ID: Final[dict[str, Any]] = {"pattern": "^(0|[1-9][0-9]{0,17})$"}
"""The same of ids."""
Positive = Annotated[str, msgspec.Meta(extra_json_schema=POSITIVE)]
Time = Annotated[str, msgspec.Meta(extra_json_schema=TIME)]
SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
_ORDER_ID: Final = re.compile(r"[1-9][0-9]{0,18}|0", re.ASCII)


def parse_symbol(text: str) -> str:
    """The symbol that a query names. Raises ApiError for what none can be called."""
    if not re.fullmatch(SYMBOL, text):
        raise ApiError(
            Code.VALIDATION_FAILED, f"{text[:64]!r} cannot be a symbol; BTC-USD could.", field="symbol", value=text
        )
    return text


def parse_client_order_id(text: str) -> str:
    """The client_order_id that a query names. Raises ApiError for what none can be called."""
    if not re.fullmatch(CLIENT_ORDER_ID, text):
        rule = f"client_order_id must be 1 to {limits.CLIENT_ORDER_ID_MAX} letters, digits or any of ._:+/=@-."
        raise ApiError(Code.VALIDATION_FAILED, rule, field="client_order_id", value=text)
    return text


def parse_side(text: str) -> Side:
    """The side that a query names. Raises ApiError."""
    if text not in SIDES:
        raise ApiError(
            Code.VALIDATION_FAILED, f"side is {text[:64]!r}; it must be buy or sell.", field="side", value=text
        )
    return SIDES[text]


def parse_order_id(text: str) -> int | None:
    """The number in an order id as JSON and paths carry it; None for what no order can have."""
    if not _ORDER_ID.fullmatch(text):
        return None
    number = int(text)
    return number if number <= INT64_MAX else None


def moment(text: str | None) -> int | None:
    """RFC 3339 as microseconds since 1970 UTC. Raises ApiError."""
    try:
        return None if text is None else parse_us(text)
    except UnitError as error:
        raise ApiError(Code.VALIDATION_FAILED, f"expire_time: {error}.", field="expire_time", value=text) from None


def positive_or_none(text: str | None, field: str) -> int | None:
    """As `positive`, where it may be left out."""
    return None if text is None else positive(text, field)


def positive(text: str, field: str) -> int:
    """A decimal string above zero as 10^-8. Raises ApiError."""
    try:
        value_e8 = parse_e8(text)
    except UnitError as error:
        raise ApiError(Code.VALIDATION_FAILED, f"{field}: {error}.", field=field, value=text) from None
    if value_e8 <= 0:
        raise ApiError(
            Code.VALIDATION_FAILED,
            f"{field} is {format_e8(value_e8)}; it must be more than 0.",
            field=field,
            value=text,
        )
    return value_e8
