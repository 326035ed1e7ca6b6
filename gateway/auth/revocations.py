"""Sessions that were ended while access tokens of theirs are still good, and API keys that were revoked.

Each gateway process reads them from PostgreSQL again and again, and remembers them as long as such a token can live. So
a request costs no query, and an outage of the database stops nobody who is logged in.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import structlog
from sqlalchemy import BigInteger, CompoundSelect, literal, select, tuple_, union_all

from gateway import limits
from gateway.database import NOW_US, Database
from gateway.errors import ApiError, Code, unavailable
from schemas.tables import KEY_WAS_REVOKED, SESSION_HAS_ENDED, api_keys, sessions

_US: Final = 1_000_000

_log: Final = structlog.get_logger("gateway.auth")


class Revocations:
    """What this process knows of sessions that were ended. A key counts as a session that begins when it is made."""

    def __init__(self, token_s: int) -> None:
        """How long an access token is good."""
        self.keep_us = (token_s + limits.REVOCATION_OVERLAP_S) * _US
        """What was ended longer ago has no token that is still good."""
        self._ended: dict[str, int] = {}
        """When each session was ended, about in that order."""
        self._newest_us = 0
        self._is_known = False
        self._looked_s = time.monotonic()
        self._watched: dict[str, set[Callable[[], object]]] = {}

    def require(self, session_id: str) -> None:
        """Raises ApiError for a session that was ended: 401; and for all before the first look: 503."""
        if session_id in self._ended:
            raise ApiError(Code.UNAUTHORIZED, "The session has ended, or the key was revoked; log in again.")
        if not self._is_known:
            raise unavailable("The list of sessions that have ended")

    def take(self, ended: Iterable[tuple[str, int]]) -> None:
        """Remember sessions and when each was ended, in microseconds since 1970 UTC; tell who watches them."""
        for session_id, revoked_us in ended:
            if session_id in self._ended:
                continue
            self._ended[session_id] = revoked_us
            self._newest_us = max(self._newest_us, revoked_us)
            for end in self._watched.pop(session_id, ()):
                end()
        while self._ended:
            oldest, revoked_us = next(iter(self._ended.items()))
            if revoked_us >= self._newest_us - self.keep_us:
                return
            del self._ended[oldest]

    def watch(self, session_id: str, end: Callable[[], object]) -> None:
        """Call `end` once, when the session is ended, unless `unwatch` comes before."""
        self._watched.setdefault(session_id, set()).add(end)

    def unwatch(self, session_id: str, end: Callable[[], object]) -> None:
        """No longer call it."""
        left = self._watched.get(session_id, set())
        left.discard(end)
        if not left:
            self._watched.pop(session_id, None)

    async def look(self, database: Database) -> None:
        """Read what was ended since the last look, in pieces. Raises ApiError when the database is away."""
        after = (self._newest_us - limits.REVOCATION_OVERLAP_S * _US, "")
        while True:
            rows = await database.rows(self._ended_after(*after))
            self.take((row.name, row.revoked_us) for row in rows)
            if len(rows) < limits.REVOCATION_ROWS:
                break
            after = (rows[-1].revoked_us, rows[-1].name)
        self._is_known = True
        self._looked_s = time.monotonic()

    def _ended_after(self, revoked_us: int, name: str) -> CompoundSelect[Any]:
        """The next piece after a time and an id."""
        ended = [
            select(key.label("name"), table.c.revoked_us)
            .where(
                is_over,
                table.c.revoked_us > NOW_US - self.keep_us,
                tuple_(table.c.revoked_us, key) > tuple_(literal(revoked_us, BigInteger), literal(name)),
            )
            .order_by(table.c.revoked_us, key)
            .limit(limits.REVOCATION_ROWS)
            for table, key, is_over in (
                (sessions, sessions.c.session_id, SESSION_HAS_ENDED),
                (api_keys, api_keys.c.key_id, KEY_WAS_REVOKED),
            )
        ]
        return union_all(*ended).order_by("revoked_us", "name").limit(limits.REVOCATION_ROWS)

    async def trouble(self) -> str | None:
        """What is wrong when nobody could look for too long, else None."""
        ago_s = time.monotonic() - self._looked_s
        if ago_s < limits.REVOCATION_STALE_S:
            return None
        return f"sessions that were ended have not been read for {ago_s:.0f} s"

    async def follow(self, database: Database) -> None:
        """Look again and again, until cancelled, whatever goes wrong: who was sent away must not stay unknown."""
        is_known = True
        while True:
            try:
                await self.look(database)
            except ApiError as error:
                if is_known:
                    _log.warning("revocations_unknown", detail=error.message)
                is_known = False
            except Exception:  # noqa: BLE001 - a bug, whose trace the log gets; the next look may be well
                if is_known:
                    _log.exception("revocations_unknown")
                is_known = False
            else:
                if not is_known:
                    _log.info("revocations_known")
                is_known = True
            await asyncio.sleep(limits.REVOCATION_POLL_S)
