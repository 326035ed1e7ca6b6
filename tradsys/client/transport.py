"""What both shells need of httpx and websockets: how connections are opened, and what their errors mean."""

import os
import ssl
import time
from dataclasses import dataclass
from typing import Any, Final

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from tradsys.client import limits
from tradsys.client.rules import Means
from tradsys.client.steps import Hear, Lost, Rest, Step
from tradsys.client.wire import Answer, Failure, Request

_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """How a gateway is reached."""

    url: str
    tls: ssl.SSLContext | None
    uses_proxies: bool

    def http(self) -> dict[str, Any]:
        """Arguments of an httpx client."""
        return {
            "base_url": self.url,
            "verify": True if self.tls is None else self.tls,
            "trust_env": self.uses_proxies,
            "limits": httpx.Limits(max_connections=limits.CONNECTIONS_MAX),
        }

    def socket(self, target: str, headers: Any) -> dict[str, Any]:
        """Arguments of the `connect` of websockets."""
        return {
            "uri": "ws" + self.url.removeprefix("http") + target,
            "additional_headers": dict(headers),
            "ssl": self.tls,
            "proxy": True if self.uses_proxies else None,
            "open_timeout": limits.CONNECT_S,
            "close_timeout": limits.CLOSE_S,
            "max_size": limits.MESSAGE_BYTES_MAX,
            "compression": None,
        }


def transport(url: str, tls: ssl.SSLContext | None, *, uses_proxies: bool) -> Transport:
    """Raises ValueError for an address that is none."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url!r} is no address of a gateway, such as https://venue.example.")
    return Transport(url=url.rstrip("/"), tls=tls, uses_proxies=uses_proxies)


def means(timeout_s: float, patience_s: float) -> Means:
    """The clock and the names of this process."""
    return Means(clock_s=time.monotonic, make_id=make_id, timeout_s=timeout_s, patience_s=patience_s)


def make_id() -> str:
    """128 random bits."""
    return os.urandom(16).hex()


def arguments(request: Request) -> dict[str, Any]:
    """Of the `request` of an httpx client."""
    return {
        "method": request.method,
        "url": request.path,
        "params": dict(request.query),
        "headers": dict(request.headers),
        "content": request.body,
        "timeout": httpx.Timeout(request.timeout_s, connect=limits.CONNECT_S),
    }


def answer(response: httpx.Response) -> Answer:
    """What came."""
    return Answer(response.status_code, dict(response.headers), response.content)


def failure(error: httpx.HTTPError) -> Failure:
    """Why nothing came."""
    return Failure(not isinstance(error, _NOT_SENT), str(error) or type(error).__name__)


def not_opened(error: Exception) -> Answer | Lost:
    """Why a WebSocket was not opened."""
    if isinstance(error, InvalidStatus):
        response = error.response
        headers = {name.lower(): value for name, value in response.headers.raw_items()}
        return Answer(response.status_code, headers, bytes(response.body or b""))
    return Lost(str(error) or type(error).__name__)


def lost(error: ConnectionClosed) -> Lost:
    """Why a WebSocket has ended."""
    code = None if error.rcvd is None else error.rcvd.code
    return Lost(str(error), code)


NOT_OPENED: Final = (WebSocketException, OSError)
"""What opening a WebSocket raises; TimeoutError is an OSError."""


def ends_s(step: Step) -> float | None:
    """When a step that waits is over, by the clock of this process; None: never."""
    wait_s = step.timeout_s if isinstance(step, Hear) else step.seconds if isinstance(step, Rest) else None
    return None if wait_s is None else time.monotonic() + wait_s


def left_s(*moments: float | None) -> float | None:
    """How long until the first of these moments; None: there is none."""
    known = [moment for moment in moments if moment is not None]
    return max(0.0, min(known) - time.monotonic()) if known else None
