"""Kinds of values that bodies and queries of FastAPI's routes share: decimal numbers, times and days, in strings."""

import re
from datetime import date
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.orders.values import DECIMAL, POSITIVE, TIME
from schemas.units import UnitError, parse_us

Decimal = Annotated[str, Field(max_length=40, description="A decimal number", json_schema_extra=DECIMAL)]
PositiveDecimal = Annotated[str, Field(max_length=40, description="More than 0", json_schema_extra=POSITIVE)]
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _refused(rule: str) -> PydanticCustomError:
    return PydanticCustomError("value", "{rule}", {"rule": rule})


def _microseconds(text: Any) -> int:
    if not isinstance(text, str):
        raise _refused("must be a time in a string, such as 2030-01-31T12:00:00Z")
    try:
        return parse_us(text)
    except UnitError as error:
        raise _refused(str(error)) from None


def _day(text: Any) -> date:
    try:
        if isinstance(text, str) and _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise _refused("must be a day in a string, such as 2030-01-31")


Moment = Annotated[int, BeforeValidator(_microseconds), WithJsonSchema({"type": "string"} | TIME)]
"""RFC 3339, as microseconds since 1970 UTC."""
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
"""RFC 3339's full-date, and nothing else of what pydantic makes days of."""
