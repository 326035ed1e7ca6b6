"""HTTP to a process on this machine, for readiness."""

import http.client
from dataclasses import dataclass
from typing import Final

from tradsys.settings import LOOPBACK
from tradsys.stack.part import NotReadyError

TIMEOUT_S: Final = 5.0
BODY_BYTES_MAX: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    body: bytes


def ask(method: str, port: int, path: str, body: bytes | None = None) -> Answer:
    """One request with a JSON body, if any. Raises NotReadyError when there is no answer."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return Answer(response.status, response.read(BODY_BYTES_MAX))
    except (OSError, http.client.HTTPException) as error:
        raise NotReadyError(f"{method} http://{LOOPBACK}:{port}{path}: {error or type(error).__name__}") from error
    finally:
        connection.close()
