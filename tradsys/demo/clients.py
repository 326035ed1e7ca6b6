"""REST and WebSocket clients that trade beside the bots, as people's programs would."""

import asyncio
import json
import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from schemas.levels import Levels
from schemas.units import parse_e8
from tradsys.demo.flow import SYMBOL

REST_PAUSE_S: Final = 0.25
WAIT_MS: Final = 3_000
"""How long a request waits for its order's first execution."""

QUANTITY: Final = "0.01"
CHANNELS: Final = ("book", "trades", "ticker", "candles:1m")
LATENCIES_MAX: Final = 2_000
REQUEST_TIMEOUT_S: Final = 10.0
MESSAGE_BYTES_MAX: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Login:
    """A user of the gateway."""

    username: str
    password: str


@dataclass(slots=True)
class Clients:
    """Trades through the gateway from a thread of its own until it is told to stop."""

    base_url: str
    logins: list[Login]
    outcomes: Counter[str] = field(default_factory=Counter)
    """How often what happened, in a few words."""
    wrong: list[str] = field(default_factory=list)
    """What a client must never see: gaps in a sequence, a checksum that differs."""
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_MAX))
    """From POST to the first execution."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Log in and begin."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the requests that are on their way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    async def _run(self) -> None:
        async with httpx.AsyncClient(base_url=self.base_url, timeout=REQUEST_TIMEOUT_S) as client:
            tasks = [self._rest(client, login, number) for number, login in enumerate(self.logins)]
            await asyncio.gather(*tasks, *(self._follow(client, login) for login in self.logins))

    async def _rest(self, client: httpx.AsyncClient, login: Login, number: int) -> None:
        token = await self._token(client, login)
        if token is None:
            return
        headers = {"Authorization": f"Bearer {token}"}
        sides = ("buy", "sell") if number % 2 == 0 else ("sell", "buy")
        count = 0
        while not self._stop.is_set():
            await asyncio.sleep(REST_PAUSE_S)
            count += 1
            try:
                await self._order(client, headers, sides[count % 2])
            except httpx.HTTPError as error:
                self.outcomes[f"REST {type(error).__name__}"] += 1

    async def _order(self, client: httpx.AsyncClient, headers: dict[str, str], side: str) -> None:
        """Take the best price of the other side."""
        book = (await client.get(f"/api/v1/book/{SYMBOL}", params={"depth": 1})).json()
        levels = (book.get("data") or {}).get("asks" if side == "buy" else "bids")
        if not levels:
            return
        order = {"symbol": SYMBOL, "side": side, "type": "limit", "price": levels[0][0], "quantity": QUANTITY}
        began_s = asyncio.get_running_loop().time()
        reply = await client.post(
            "/api/v1/orders", params={"wait": WAIT_MS}, json={**order, "time_in_force": "ioc"}, headers=headers
        )
        self.latencies_ms.append((asyncio.get_running_loop().time() - began_s) * 1000)
        self.outcomes[f"REST {reply.status_code}"] += 1

    async def _token(self, client: httpx.AsyncClient, login: Login) -> str | None:
        """Log in, again and again while the gateway or its stores are away; None when it is time to stop."""
        while not self._stop.is_set():
            try:
                reply = await client.post("/auth/login", json={"username": login.username, "password": login.password})
                reply.raise_for_status()
            except httpx.HTTPError as error:
                self.outcomes[f"login {type(error).__name__}"] += 1
                await asyncio.sleep(REST_PAUSE_S)
            else:
                token: str = reply.json()["data"]["token"]
                return token
        return None

    async def _follow(self, client: httpx.AsyncClient, login: Login) -> None:
        token = await self._token(client, login)
        if token is None:
            return
        url = self.base_url.replace("http", "ws", 1) + "/ws"
        while not self._stop.is_set():
            try:
                async with connect(url, max_size=MESSAGE_BYTES_MAX) as socket:
                    await self._session(socket, token)
            except (WebSocketException, OSError) as error:
                self.outcomes[f"WebSocket {type(error).__name__}"] += 1
                await asyncio.sleep(REST_PAUSE_S)

    async def _session(self, socket: ClientConnection, token: str) -> None:
        await socket.send(json.dumps({"type": "auth", "token": token}))
        await socket.send(json.dumps({"type": "marketdata.subscribe", "symbol": SYMBOL, "channels": list(CHANNELS)}))
        await socket.send(json.dumps({"type": "marketdata.subscribe", "channel": "orders"}))
        market = MarketView()
        while not self._stop.is_set():
            try:
                message = json.loads(await asyncio.wait_for(socket.recv(), 0.2))
            except TimeoutError:
                continue
            self.outcomes[f"WebSocket {message['type']}"] += 1
            wrong = market.see(message)
            if wrong is not None:
                self.wrong.append(wrong)


@dataclass(slots=True)
class MarketView:
    """What a client knows: the sequence of each channel, and the book that it folds and checks."""

    sequences: dict[str, int] = field(default_factory=dict)
    book: Levels = field(default_factory=Levels)

    def see(self, message: dict[str, Any]) -> str | None:
        """Take in one message; a sentence when it does not follow from those before."""
        channel, sequence = message.get("channel"), message.get("sequence")
        if message.get("kind") not in {"snapshot", "update"} or channel is None or sequence is None:
            return None
        known = self.sequences.get(channel)
        self.sequences[channel] = sequence
        if message["kind"] == "update" and known is not None and sequence != known + 1:
            return f"{channel}: sequence {sequence} after {known}"
        if message["type"] != "marketdata.book":
            return None
        return self._fold(message)

    def _fold(self, message: dict[str, Any]) -> str | None:
        if message["kind"] == "snapshot":
            self.book = Levels()
        for ladder, side in ((self.book.bids, "bids"), (self.book.asks, "asks")):
            for price, quantity in message["data"][side]:
                ladder.put(parse_e8(price), parse_e8(quantity))
        checksum = self.book.checksum()
        if checksum != message["checksum"]:
            return f"{message['channel']}: checksum {checksum} at {message['sequence']}, sent was {message['checksum']}"
        return None
