"""What can be asked about orders."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

import msgspec

from tradsys.client.errors import MAY_BE_DONE, ApiError, ErrorBody, OutcomeUnknownError, api_error
from tradsys.client.limits import BATCH_ORDERS_MAX, WAIT_S, WAIT_S_MAX
from tradsys.client.messages import Accepted, Done, Execution, Order, Placed
from tradsys.client.requests import Changes, NewOrder, Side, as_json, as_query
from tradsys.client.wire import Answer, Call, Envelope, as_it_is

ORDERS: Final = "/api/v1/orders"
_TOLD: Final = 200
"""The status of an answer that is an execution; the others say that the log has the command."""

_report: Final = msgspec.json.Decoder(Execution).decode
_accepted: Final = msgspec.json.Decoder(Accepted).decode


class Outcome(msgspec.Struct, frozen=True):
    """What one order of a batch is answered with."""

    success: bool
    data: Accepted = Accepted()
    error: ErrorBody | None = None


_outcomes: Final = msgspec.json.Decoder(list[Outcome]).decode


def place(order: NewOrder, wait_s: float) -> Call[Placed]:
    """Place an order that has a client_order_id."""
    assert order.client_order_id is not None
    once: Call[Placed] = Call(
        method="POST",
        path=ORDERS,
        query=_wait(wait_s),
        body=as_json(order),
        read=_placed,
        changes=True,
        wait_s=wait_s,
        client_order_ids=(order.client_order_id,),
    )
    patient_s = max(wait_s, WAIT_S)
    return replace(once, repeated=replace(once, query=_wait(patient_s), wait_s=patient_s))


def place_all(orders: Sequence[NewOrder]) -> Call[list[Placed | ApiError | OutcomeUnknownError]]:
    """Place orders that have client_order_ids. Raises ValueError for none, or too many."""
    if not 1 <= len(orders) <= BATCH_ORDERS_MAX:
        raise ValueError(f"{len(orders)} orders; a batch has 1 to {BATCH_ORDERS_MAX}.")
    names = [str(order.client_order_id) for order in orders]

    def read(answer: Answer, envelope: Envelope) -> list[Placed | ApiError | OutcomeUnknownError]:
        outcomes = _outcomes(envelope.data)
        if len(outcomes) != len(names):
            raise msgspec.DecodeError(f"{len(outcomes)} outcomes of {len(names)} orders")
        return [_outcome(*each, answer) for each in zip(outcomes, names, strict=True)]

    return Call(
        method="POST",
        path=f"{ORDERS}/batch",
        body={"orders": [as_json(order) for order in orders]},
        read=read,
        changes=True,
        client_order_ids=tuple(names),
    )


def check(order: NewOrder, wait_s: float) -> Call[Execution]:
    """Ask whether an order would pass pre-trade risk."""
    return Call(
        method="POST",
        path=f"{ORDERS}/check",
        query=_wait(wait_s),
        body=as_json(order),
        read=_told,
        wait_s=wait_s,
    )


def amend(order_id: str, changes: Changes, wait_s: float) -> Call[Done]:
    """Amend an order. To do it twice may lose its place in the queue, or undo what was amended meanwhile."""
    return _command("PATCH", _one(order_id), wait_s, body=as_json(changes), is_repeatable=False)


def cancel(order_id: str, wait_s: float) -> Call[Done]:
    """Cancel an order; an id is never given again."""
    return _command("DELETE", _one(order_id), wait_s)


def cancel_by_client_id(client_order_id: str, wait_s: float) -> Call[Done]:
    """Cancel an order; a second attempt finds it ended, as with `cancel`. Raises ValueError for no id at all."""
    if not client_order_id:
        raise ValueError("client_order_id is empty.")
    return _command("DELETE", ORDERS, wait_s, query={"client_order_id": client_order_id})


def cancel_all(symbol: str | None, side: Side | None, wait_s: float) -> Call[Done]:
    """Cancel open orders. To do it again later would take out what was placed meanwhile."""
    narrowed = as_query({"symbol": symbol, "side": side})
    return _command("DELETE", ORDERS, wait_s, query=narrowed, is_repeatable=False)


def cancel_after(timeout_s: int, wait_s: float) -> Call[Done]:
    """Set the dead man's timer."""
    return _command("POST", f"{ORDERS}/cancel-after", wait_s, body={"timeout": timeout_s})


def order(order_id: str) -> Call[Order]:
    """Read one order with its newest executions."""
    return Call(method="GET", path=_one(order_id), read=as_it_is(Order))


def _one(order_id: str) -> str:
    return f"{ORDERS}/{quote(order_id, safe='')}"


def _command(
    method: str,
    path: str,
    wait_s: float,
    *,
    query: Mapping[str, str] | None = None,
    body: Any = None,
    is_repeatable: bool = True,
) -> Call[Done]:
    return Call(
        method=method,
        path=path,
        query={**(query or {}), **_wait(wait_s)},
        body=body,
        read=_done,
        changes=True,
        is_repeatable=is_repeatable,
        wait_s=wait_s,
    )


def _wait(wait_s: float) -> dict[str, str]:
    if not 0 <= wait_s <= WAIT_S_MAX:
        raise ValueError(f"wait_s is {wait_s}; it must be from 0 to {WAIT_S_MAX:.0f}.")
    return {"wait": str(round(wait_s * 1_000))}


def _placed(answer: Answer, envelope: Envelope) -> Placed:
    if answer.status == _TOLD:
        report = _report(envelope.data)
        return Placed(order_id=report.order_id, client_order_id=report.client_order_id, report=report)
    return _pending(_accepted(envelope.data))


def _done(answer: Answer, envelope: Envelope) -> Done:
    if answer.status == _TOLD:
        report = _report(envelope.data)
        return Done(command_id=report.command_id, report=report)
    return Done(command_id=_accepted(envelope.data).command_id)


def _told(answer: Answer, envelope: Envelope) -> Execution:
    if answer.status != _TOLD:
        raise msgspec.DecodeError("the check was not answered in time")
    return _report(envelope.data)


def _pending(told: Accepted) -> Placed:
    if told.order_id is None or told.client_order_id is None:
        raise msgspec.DecodeError("an order without its ids")
    return Placed(order_id=told.order_id, client_order_id=told.client_order_id)


def _outcome(outcome: Outcome, client_order_id: str, answer: Answer) -> Placed | ApiError | OutcomeUnknownError:
    if outcome.error is None:
        return _pending(outcome.data)
    correlation_id = answer.headers.get("x-correlation-id")
    if outcome.error.code in MAY_BE_DONE:
        return OutcomeUnknownError(
            outcome.error.message, client_order_ids=(client_order_id,), correlation_id=correlation_id
        )
    return api_error(outcome.error, correlation_id=correlation_id)
