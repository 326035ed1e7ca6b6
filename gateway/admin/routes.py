"""/api/v1/admin: what the operator decides, for who has the right, from addresses that may; and limits to read."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from gateway import limits
from gateway.admin.bodies import AccountChange, Funds, Kill, LimitsBody, StrategyChange, SymbolChange, TransferBody
from gateway.admin.desk import AdminDesk, Decision
from gateway.auth.routes import BEARER, Caller
from gateway.envelope import Pagination
from gateway.idempotency import DecisionToken
from gateway.market.symbols import shown_symbol
from gateway.orders.values import SYMBOL
from gateway.pages import Page, PageSize, answer, require_window
from schemas.decided import LIMIT_COUNTS, LIMIT_NUMBERS
from schemas.messages import Control, ControlKind
from schemas.units import format_e8

SymbolPath = Annotated[str, Path(pattern=SYMBOL)]
AccountPath = Annotated[str, Path(max_length=64)]


def router(desk: AdminDesk) -> APIRouter:
    """The routes of decisions."""
    routes = APIRouter(prefix="/api/v1/admin", tags=["admin"], dependencies=[BEARER])
    _add_instruments(routes, desk)
    _add_accounts(routes, desk)
    _add_funds(routes, desk)
    return routes


def limits_router(desk: AdminDesk) -> APIRouter:
    """The route of an account's own limits."""
    routes = APIRouter(prefix="/api/v1", tags=["positions"], dependencies=[BEARER])

    @routes.get("/limits")
    async def list_own_limits(identity: Caller) -> Response:
        """The limits that hold for the account: its own, those of symbols, and everybody's.

        Of each kind the most specific holds: of the account in the symbol, of the account, of the symbol, of all.
        """
        scopes = desk.decided.limits.items()
        return answer([_shown_limits(control) for (account, _), control in scopes if account in {"", identity.account}])

    return routes


def _add_instruments(routes: APIRouter, desk: AdminDesk) -> None:
    """Symbols, strategies, and the kill switch."""

    @routes.patch("/symbols/{symbol}")
    async def change_symbol(identity: Caller, token: DecisionToken, symbol: SymbolPath, body: SymbolChange) -> Response:
        """Make a symbol, or change what is given of its rules: they hold for every order after it in the log."""
        changes = body.fields()
        async with desk.turn():
            fields = desk.asked(partial(desk.decided.symbol_fields, symbol, changes))
            decision = await desk.decide(identity, token, ControlKind.SYMBOL, fields, changes)
        return _told(decision, shown_symbol(desk.decided.symbols[symbol]))

    @routes.get("/strategies")
    async def list_strategies(
        account: Annotated[str | None, Query(max_length=64)] = None,
        page: Page = 1,
        page_size: PageSize = limits.PAGE_SIZE_DEFAULT,
    ) -> Response:
        """The strategies about which something was decided, by account and name; all others are active."""
        require_window(page, page_size)
        known = [names for names in sorted(desk.decided.strategies) if account in {None, names[0]}]
        begin = (page - 1) * page_size
        data = [_shown_strategy(desk.decided.strategies[names]) for names in known[begin : begin + page_size]]
        return answer(data, Pagination.of(page, page_size, len(known)))

    @routes.put("/strategies")
    async def put_strategy(identity: Caller, token: DecisionToken, body: StrategyChange) -> Response:
        """Let a strategy of an account go on, or take no new orders. What rests stays, other than with a kill."""
        async with desk.turn():
            desk.asked(partial(desk.decided.require, "account", body.account))
            decision = await desk.decide(identity, token, ControlKind.STRATEGY, body.fields())
        return _told(decision, _shown_strategy(desk.decided.strategies[body.account, body.strategy]))

    @routes.post("/kill")
    async def kill(identity: Caller, token: DecisionToken, body: Kill) -> Response:
        """Stop a symbol, an account, a strategy or all of the venue, and take out what rests."""
        async with desk.turn():
            stops = desk.asked(partial(desk.decided.stops, body.what, body.name, body.strategy, body.status()))
            decision = await desk.stop(identity, token, stops)
        return _told(decision, {"stopped": [stop.what for stop in stops]})


def _add_accounts(routes: APIRouter, desk: AdminDesk) -> None:
    """Accounts and limits."""

    @routes.get("/accounts")
    async def list_accounts(page: Page = 1, page_size: PageSize = limits.PAGE_SIZE_DEFAULT) -> Response:
        """All accounts as they were decided, by name."""
        require_window(page, page_size)
        names = sorted(desk.decided.accounts)
        begin = (page - 1) * page_size
        data = [_shown_account(desk.decided.accounts[name]) for name in names[begin : begin + page_size]]
        return answer(data, Pagination.of(page, page_size, len(names)))

    @routes.patch("/accounts/{account}")
    async def change_account(
        identity: Caller, token: DecisionToken, account: AccountPath, body: AccountChange
    ) -> Response:
        """Make an account, or change what is given of it. `active` also ends that a loss made it reducing."""
        changes = body.fields()
        async with desk.turn():
            fields = desk.asked(partial(desk.decided.account_fields, account, changes))
            decision = await desk.decide(identity, token, ControlKind.ACCOUNT, fields, changes)
        return _told(decision, _shown_account(desk.decided.accounts[account]))

    @routes.get("/limits")
    async def list_limits() -> Response:
        """The limits of all scopes."""
        return answer([_shown_limits(desk.decided.limits[scope]) for scope in sorted(desk.decided.limits)])

    @routes.put("/limits")
    async def put_limits(identity: Caller, token: DecisionToken, body: LimitsBody) -> Response:
        """Replace the limits of an account, of a symbol, of both, or of everybody."""
        changes = body.fields()
        fields = desk.asked(partial(desk.decided.limits_fields, body.account, body.symbol, changes))
        decision = await desk.decide(identity, token, ControlKind.LIMITS, fields, changes)
        return _told(decision, _shown_limits(desk.decided.limits[body.account or "", body.symbol or ""]))


def _add_funds(routes: APIRouter, desk: AdminDesk) -> None:
    """What moves funds. With an Idempotency-Key it moves them once, whatever happens to the answer."""

    async def move(identity: Caller, token: str, body: Funds, sign: int) -> Response:
        desk.asked(partial(desk.decided.require, "account", body.account))
        amount_e8 = sign * body.amount_e8()
        fields = {"account": body.account, "currency": body.currency, "amount_e8": amount_e8}
        decision = await desk.decide(identity, token, ControlKind.FUNDS, fields)
        moved = {"account": body.account, "currency": body.currency, "amount": format_e8(amount_e8)}
        return _told(decision, moved, HTTPStatus.CREATED)

    @routes.post("/deposits", status_code=201)
    async def deposit(identity: Caller, token: DecisionToken, body: Funds) -> Response:
        """Add funds to an account."""
        return await move(identity, token, body, 1)

    @routes.post("/withdrawals", status_code=201)
    async def withdraw(identity: Caller, token: DecisionToken, body: Funds) -> Response:
        """Take funds from an account, also more than it has, as the operator's command does."""
        return await move(identity, token, body, -1)

    @routes.post("/transfers", status_code=202)
    async def transfer(identity: Caller, token: DecisionToken, body: TransferBody) -> Response:
        """Ask for a move of funds to another account. Pre-trade risk decides it; the ledger of both says so."""
        for account in (body.account, body.to_account):
            desk.asked(partial(desk.decided.require, "account", account))
        fields = {"account": body.account, "to_account": body.to_account, "currency": body.currency}
        amount_e8 = body.amount_e8()
        decision = await desk.decide(identity, token, ControlKind.TRANSFER, fields | {"amount_e8": amount_e8})
        return _told(decision, fields | {"amount": format_e8(amount_e8)}, HTTPStatus.ACCEPTED)


def _told(decision: Decision, shown: dict[str, Any], status: int = HTTPStatus.OK) -> Response:
    return answer(decision.told() | shown, status=status)


def _shown_account(control: Control) -> dict[str, Any]:
    enums = (control.account_kind, control.account_status, control.self_trade_prevention)
    kind, status, prevention = (None if each is None else each.lower() for each in enums)
    return {
        "account": control.account,
        "kind": kind,
        "status": status,
        "leverage": None if control.leverage_e8 is None else format_e8(control.leverage_e8),
        "open_orders_max": control.open_orders_max,
        "self_trade_prevention": prevention,
    }


def _shown_strategy(control: Control) -> dict[str, Any]:
    status = control.account_status
    return {
        "account": control.account,
        "strategy": control.strategy,
        "status": None if status is None else status.lower(),
    }


def _shown_limits(control: Control) -> dict[str, Any]:
    shown: dict[str, Any] = {"account": control.account, "symbol": control.symbol}
    for name in LIMIT_NUMBERS:
        value_e8 = getattr(control, name)
        shown[name.removesuffix("_e8")] = None if value_e8 is None else format_e8(value_e8)
    return shown | {name: getattr(control, name) for name in LIMIT_COUNTS}
