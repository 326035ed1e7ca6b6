"""REST and WebSocket clients that trade beside the bots, as people's programs would."""

import asyncio
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from tradsys.client import AsyncClient, ClientError, Gap, NewOrder, Password
from tradsys.client.requests import Side
from tradsys.demo.flow import SYMBOL

REST_PAUSE_S: Final = 0.25
WAIT_S: Final = 3.0
"""How long a request waits for its order's first execution."""
PATIENCE_S: Final = 2.0
"""The demo ends soon after it is told to, also while the gateway is away."""
LOOK_S: Final = 0.2
"""How often it is asked whether it is told to."""

QUANTITY: Final = Decimal("0.01")
CHANNELS: Final = (f"book:{SYMBOL}", f"trades:{SYMBOL}", f"ticker:{SYMBOL}", f"candles:{SYMBOL}:1m", "orders")
LATENCIES_MAX: Final = 2_000


@dataclass(slots=True)
class Clients:
    """Trades through the gateway from a thread of its own until it is told to stop."""

    base_url: str
    logins: list[Password]
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
        await asyncio.gather(*(self._person(login, number) for number, login in enumerate(self.logins)))

    async def _person(self, login: Password, number: int) -> None:
        sides: tuple[Side, Side] = ("buy", "sell") if number % 2 == 0 else ("sell", "buy")
        async with AsyncClient(self.base_url, login, patience_s=PATIENCE_S) as client:
            await asyncio.gather(self._trade(client, sides), self._follow(client))

    async def _trade(self, client: AsyncClient, sides: tuple[Side, Side]) -> None:
        count = 0
        while not self._stop.is_set():
            await asyncio.sleep(REST_PAUSE_S)
            count += 1
            try:
                await self._order(client, sides[count % 2])
            except ClientError as error:
                self.outcomes[f"REST {type(error).__name__}"] += 1

    async def _order(self, client: AsyncClient, side: Side) -> None:
        """Take the best price of the other side."""
        book = await client.book(SYMBOL, depth=1)
        levels = book.asks if side == "buy" else book.bids
        if not levels:
            return
        order = NewOrder(
            symbol=SYMBOL, side=side, type="limit", price=levels[0].price, quantity=QUANTITY, time_in_force="ioc"
        )
        began_s = time.monotonic()
        placed = await client.place(order, wait_s=WAIT_S)
        self.latencies_ms.append((time.monotonic() - began_s) * 1000)
        self.outcomes[f"REST {'pending' if placed.report is None else placed.report.kind}"] += 1

    async def _follow(self, client: AsyncClient) -> None:
        """Keep a stream open, which comes back by itself; once who follows is known to the gateway."""
        while not self._stop.is_set():
            try:
                async with client.stream(*CHANNELS) as stream:
                    while not self._stop.is_set():
                        event = await stream.receive(LOOK_S)
                        if isinstance(event, Gap):
                            self.wrong.append(f"{event.channel}: {event.why}")
                        if event is not None:
                            self.outcomes[f"WebSocket {type(event).__name__}"] += 1
            except ClientError as error:
                self.outcomes[f"WebSocket {type(error).__name__}"] += 1
                await asyncio.sleep(REST_PAUSE_S)
