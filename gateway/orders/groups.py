"""Orders that are placed together, as requests describe them."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from gateway.errors import ApiError, Code
from gateway.orders.values import Positive, positive, positive_or_none
from schemas.messages import GroupKind, TriggerBy

if TYPE_CHECKING:
    from gateway.orders.requests import OrderRequest

TRIGGERS: Final = {"last": TriggerBy.LAST, "mark": TriggerBy.MARK}


class StopRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The stop order of a group; the rest of it is as in the order that it is placed with."""

    trigger_price: Annotated[Positive, msgspec.Meta(description="Where it stops waiting")]
    price: Annotated[Positive, msgspec.Meta(description="Its limit then; at market if left out")] | None = None
    trigger_by: (
        Annotated[Literal["last", "mark"], msgspec.Meta(description="The price that must come there; last if left out")]
        | None
    ) = None


class BracketRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes when the order has ended, of what was filled of it: the first that trades cancels the other."""

    take_profit_price: Annotated[Positive, msgspec.Meta(description="The limit of the order that takes the profit")]
    stop_loss: Annotated[StopRequest, msgspec.Meta(description="The stop order that stops the loss")]


def of_group(request: "OrderRequest") -> dict[str, Any]:
    """What makes the command of an order that of a group; nothing for one on its own. Raises ApiError."""
    for rule, values in group_rules(request):
        rule(*values)
    bracket = request.bracket
    stop = request.oco if bracket is None else bracket.stop_loss
    if stop is None:
        return {}
    return {
        "group": GroupKind.OCO if bracket is None else GroupKind.BRACKET,
        "trigger_price_e8": positive(stop.trigger_price, "trigger_price"),
        "trigger_by": TRIGGERS[stop.trigger_by] if stop.trigger_by else None,
        "stop_price_e8": positive_or_none(stop.price, "price"),
        "take_profit_price_e8": None if bracket is None else positive(bracket.take_profit_price, "take_profit_price"),
    }


def group_rules(request: "OrderRequest") -> Iterator[tuple[Callable[..., object], tuple[Any, ...]]]:
    """What must hold of a group, as rules that raise ApiError and what they are asked of."""
    bracket = request.bracket
    if request.oco is None and bracket is None:
        return
    yield _require_one_group, (request,)
    yield _require_no_trigger, (request,)
    if bracket is not None:
        yield positive, (bracket.take_profit_price, "bracket.take_profit_price")
    stop_loss = None if bracket is None else bracket.stop_loss
    for stop, name in ((request.oco, "oco"), (stop_loss, "bracket.stop_loss")):
        if stop is not None:
            yield positive, (stop.trigger_price, f"{name}.trigger_price")
            yield positive_or_none, (stop.price, f"{name}.price")


def _require_one_group(request: "OrderRequest") -> None:
    if request.oco is not None and request.bracket is not None:
        raise ApiError(Code.VALIDATION_FAILED, "An order has oco or bracket, not both.", field="bracket")


def _require_no_trigger(request: "OrderRequest") -> None:
    where = "oco" if request.oco is not None else "bracket.stop_loss"
    for field in ("trigger_price", "trigger_by"):
        if getattr(request, field) is not None:
            raise ApiError(Code.VALIDATION_FAILED, f"The {field} of a group stands in {where}.", field=field)
