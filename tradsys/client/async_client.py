"""The client for asyncio."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

import httpx
import msgspec

from tradsys.client import limits, order_calls, other_calls, pairs
from tradsys.client.async_admin import AsyncAdmin
from tradsys.client.async_streaming import AsyncOpenStream
from tradsys.client.door import Enrolment, ErrorEntry, Health, KeyInfo, NewKey, SigningKey
from tradsys.client.errors import ApiError, ClientError, OutcomeUnknownError
from tradsys.client.listings import Listing, Piece
from tradsys.client.messages import (
    Account,
    Balance,
    BookView,
    Candle,
    Done,
    Execution,
    Fees,
    LedgerEntry,
    Limits,
    Order,
    Placed,
    Position,
    Symbol,
    Trade,
)
from tradsys.client.pairs import NewPair, Pair, PairStatus, PairVersion
from tradsys.client.requests import Changes, Interval, NewOrder, OrderStatus, Scope, Side
from tradsys.client.rules import Authorise, Pause, Send, Steps, authorised, perform
from tradsys.client.session import ApiKey, Password, Session
from tradsys.client.stream import Stream
from tradsys.client.transport import answer, arguments, failure, means, transport
from tradsys.client.wire import Answer, Call, Failure, Request

T = TypeVar("T")
Row = TypeVar("Row", bound=msgspec.Struct)


class AsyncClient:
    """A gateway, over HTTP and WebSocket. Tasks of one event loop may share it. Every call raises ClientError.

    It logs in by itself with the first call that needs it, and closes with `close` or at the end of an `async with`.
    """

    def __init__(
        self,
        url: str,
        credentials: Password | ApiKey | None = None,
        *,
        timeout_s: float = limits.TIMEOUT_S,
        patience_s: float = limits.PATIENCE_S,
        tls: ssl.SSLContext | None = None,
        uses_proxies: bool = True,
    ) -> None:
        """Where the gateway is, such as https://venue.example, and who asks.

        `timeout_s` is for each request. What is safe to repeat is repeated for `patience_s`, 0: never. `tls` trusts
        other authorities than the system does; proxies are those of the environment.
        """
        self._transport = transport(url, tls, uses_proxies=uses_proxies)
        self._means = means(timeout_s, patience_s)
        self._session = None if credentials is None else Session(credentials)
        self._http = httpx.AsyncClient(**self._transport.http())
        self._turn = asyncio.Lock()
        self.admin = AsyncAdmin(self._perform, self._all)
        """What admins may ask beside."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections. Sessions go on until they end by themselves, or by `logout`."""
        await self._http.aclose()

    # Orders

    async def place(self, order: NewOrder, *, wait_s: float = limits.WAIT_S) -> Placed:
        """Place an order, once, whatever happens to requests; wait so long, 10 s at most, for its first execution.

        A refusal by the venue is no error: `report` says why. Raises OutcomeUnknownError with the client_order_id.
        """
        return await self._perform(order_calls.place(order.named(self._means.make_id()), wait_s))

    async def place_all(self, orders: Sequence[NewOrder]) -> list[Placed | ApiError | OutcomeUnknownError]:
        """Place up to 50 orders; what each is answered with, in their order. Errors of single orders are not raised."""
        return await self._perform(order_calls.place_all([order.named(self._means.make_id()) for order in orders]))

    async def check(self, order: NewOrder, *, wait_s: float = limits.WAIT_S_MAX) -> Execution:
        """Ask whether an order would pass pre-trade risk: reason NONE, or why not. Nothing is placed."""
        return await self._perform(order_calls.check(order, wait_s))

    async def amend(self, order_id: str, changes: Changes, *, wait_s: float = limits.WAIT_S) -> Done:
        """Amend an open order. Raises ConflictError with the reason where that cannot be."""
        return await self._perform(order_calls.amend(order_id, changes, wait_s))

    async def cancel(self, order_id: str, *, wait_s: float = limits.WAIT_S) -> Done:
        """Cancel an order. Raises ConflictError where it has ended already, also by an earlier attempt of this call."""
        return await self._perform(order_calls.cancel(order_id, wait_s))

    async def cancel_by_client_id(self, client_order_id: str, *, wait_s: float = limits.WAIT_S) -> Done:
        """Cancel an order by the id that its client gave it, as `cancel`."""
        return await self._perform(order_calls.cancel_by_client_id(client_order_id, wait_s))

    async def cancel_all(
        self, *, symbol: str | None = None, side: Side | None = None, wait_s: float = limits.WAIT_S
    ) -> Done:
        """Cancel all open orders, or those of a symbol or a side. Not repeated once it may have been done."""
        return await self._perform(order_calls.cancel_all(symbol, side, wait_s))

    async def cancel_after(self, timeout_s: int, *, wait_s: float = limits.WAIT_S) -> Done:
        """Cancel all open orders in so many seconds unless this is asked again before; 0 calls it off."""
        return await self._perform(order_calls.cancel_after(timeout_s, wait_s))

    async def order(self, order_id: str) -> Order:
        """Read one order with its newest executions."""
        return await self._perform(order_calls.order(order_id))

    def orders(
        self,
        *,
        status: OrderStatus | None = None,
        symbol: str | None = None,
        client_order_id: str | None = None,
        side: Side | None = None,
    ) -> AsyncIterator[Order]:
        """Read the account's orders, newest first; none twice, and none left out."""
        return self._all(other_calls.orders(status, symbol, client_order_id, side))

    def executions(
        self,
        *,
        symbol: str | None = None,
        order_id: str | None = None,
        kind: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncIterator[Execution]:
        """Read all that happened to the account's orders and commands, newest first; none twice, and none left out."""
        return self._all(other_calls.executions(symbol, order_id, kind, since, until))

    # The account

    async def account(self) -> Account:
        """Read whether the account may trade, and why not."""
        return await self._perform(other_calls.account())

    async def fees(self) -> Fees:
        """Read what the account pays in each symbol, and the volumes that make it so."""
        return await self._perform(other_calls.fees())

    async def limits(self) -> list[Limits]:
        """Read what the account may do at most: its own limits, those of symbols, and everybody's."""
        return await self._perform(other_calls.limits())

    def positions(self) -> AsyncIterator[Position]:
        """Read what the account holds, by symbol."""
        return self._all(other_calls.positions())

    def balances(self) -> AsyncIterator[Balance]:
        """Read what the account has, by currency."""
        return self._all(other_calls.balances())

    def ledger(
        self,
        *,
        symbol: str | None = None,
        currency: str | None = None,
        kind: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncIterator[LedgerEntry]:
        """Read every posting to the account, newest first; none twice, and none left out."""
        return self._all(other_calls.ledger(symbol, currency, kind, since, until))

    # The market

    async def symbols(self) -> list[Symbol]:
        """Read every instrument with its rules."""
        return await self._perform(other_calls.symbols())

    async def book(self, symbol: str, *, depth: int = 20) -> BookView:
        """Read the best levels of a book."""
        return await self._perform(other_calls.book(symbol, depth))

    def trades(
        self, symbol: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[Trade]:
        """Read the trades of an instrument, of all times or of a range, newest first; none twice, and none left out."""
        return self._all(other_calls.trades(symbol, since, until))

    async def candles(
        self,
        symbol: str,
        interval: Interval = "1m",
        *,
        since: datetime | None = None,
        before: datetime | None = None,
        limit: int = 100,
    ) -> list[Candle]:
        """Read the newest candles that opened in a range of time, newest first, 1,000 at most."""
        return await self._perform(other_calls.candles(symbol, interval, since, before, limit))

    # Pairs

    def pairs(self, *, status: PairStatus | None = None, symbol: str | None = None) -> AsyncIterator[Pair]:
        """Read the pairs of symbols, oldest first."""
        return self._all(pairs.pairs(status, symbol))

    async def pair(self, pair_id: str) -> Pair:
        """Read one pair."""
        return await self._perform(pairs.pair(pair_id))

    def pair_versions(self, pair_id: str) -> AsyncIterator[PairVersion]:
        """Read what a pair has said and who decided it, newest first; also of one that was taken away."""
        return self._all(pairs.versions(pair_id))

    async def create_pair(self, new: NewPair) -> Pair:
        """Make a pair; for admins, as are the next two."""
        return await self._perform(pairs.create(new))

    async def update_pair(self, pair_id: str, version: int, changed: NewPair) -> Pair:
        """Replace all that a version says, but its two symbols. Raises ConflictError where it is not the newest."""
        return await self._perform(pairs.update(pair_id, version, changed))

    async def delete_pair(self, pair_id: str) -> None:
        """Take a pair away; its history stays."""
        await self._perform(pairs.delete(pair_id))

    # Sessions and keys

    async def logout(self, *, everywhere: bool = False) -> None:
        """End the session, or all sessions of the user. The next call that needs it logs in again."""
        await self._perform(other_calls.logout(everywhere=everywhere))
        self._forget()

    async def begin_codes(self, password: str) -> Enrolment:
        """Make a secret for an authenticator. It holds once `confirm_codes` has a code of it."""
        return await self._perform(other_calls.begin_codes(password))

    async def confirm_codes(self, enrolment: Enrolment, code: str) -> None:
        """Log in with codes from now on; all sessions and keys of the user end."""
        await self._perform(other_calls.confirm_codes(enrolment, code))
        self._forget()

    async def remove_codes(self, password: str, code: str) -> None:
        """Log in with the password alone from now on; all sessions and keys of the user end."""
        await self._perform(other_calls.remove_codes(password, code))
        self._forget()

    async def make_api_key(self, name: str, scopes: Sequence[Scope], *, addresses: Sequence[str] = ()) -> NewKey:
        """Make a key for a program. Its secret is told this once."""
        return await self._perform(other_calls.make_api_key(name, scopes, addresses))

    async def api_keys(self) -> list[KeyInfo]:
        """Read the user's keys, newest first, without their secrets."""
        return await self._perform(other_calls.api_keys())

    async def revoke_api_key(self, key_id: str) -> None:
        """Revoke a key: requests and connections with it end within about a second."""
        await self._perform(other_calls.revoke_api_key(key_id))

    async def register_signing_key(self, key_id: str, public_key: bytes) -> SigningKey:
        """Say whose signature counts for the account: the 32 bytes of an Ed25519 public key."""
        return await self._perform(other_calls.register_signing_key(key_id, public_key))

    async def signing_keys(self) -> list[SigningKey]:
        """Read the public keys whose signatures count for the account."""
        return await self._perform(other_calls.signing_keys())

    async def revoke_signing_key(self, key_id: str) -> None:
        """Revoke a public key."""
        await self._perform(other_calls.revoke_signing_key(key_id))

    # The gateway

    async def health(self) -> Health:
        """Read how the gateway is, and what it needs."""
        return await self._perform(other_calls.health())

    async def ready(self) -> Health:
        """Read whether the gateway can do all its work: status up or down."""
        return await self._perform(other_calls.ready())

    async def errors(self) -> list[ErrorEntry]:
        """Read what each error code means."""
        return await self._perform(other_calls.errors())

    def stream(self, *channels: str, with_ticket: bool = False) -> AsyncOpenStream:
        """Follow channels, such as `book:BTC-USD`, `trades:BTC-USD`, `candles:BTC-USD:1m`, `orders` and `positions`.

        The first message says who the client is, or a single-use ticket in the address, which a key cannot have.
        """
        stream = Stream(self._session, self._means, with_ticket=with_ticket)
        for channel in channels:
            stream.subscribe(channel)
        return AsyncOpenStream(stream, self._transport, self._authorise, self._perform)

    # What the rules ask for

    async def _perform(self, call: Call[T]) -> T:
        return await self._run(perform(call, self._session, self._means))

    def _forget(self) -> None:
        """The session has ended."""
        if self._session is not None:
            self._session.forget()

    async def _all(self, listing: Listing[Row]) -> AsyncIterator[Row]:
        call: Call[Piece[Row]] | None = listing.first
        while call is not None:
            piece = await self._perform(call)
            for row in listing.unseen(piece):
                yield row
            call = listing.following(piece)

    async def _run(self, steps: Steps[T]) -> T:
        result: object = None
        error: ClientError | None = None
        while True:
            try:
                step = steps.send(result) if error is None else steps.throw(error)
            except StopIteration as end:
                value: T = end.value
                return value
            result = error = None
            match step:
                case Send(request):
                    result = await self._send(request)
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case Authorise(refused):
                    try:
                        result = await self._authorise(refused)
                    except ClientError as refusal:
                        error = refusal

    async def _send(self, request: Request) -> Answer | Failure:
        try:
            return answer(await self._http.request(**arguments(request)))
        except httpx.HTTPError as error:
            return failure(error)

    async def _authorise(self, refused: str | None) -> str:
        """One at a time: who waited finds the token that another came by."""
        assert self._session is not None
        async with self._turn:
            return await self._run(authorised(self._session, self._means, refused))
