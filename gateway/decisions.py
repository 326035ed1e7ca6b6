"""Decisions of the operator, and of who may decide, through the gateway: records on the control topic.

What counts is the log. A decision is answered once this gateway has read it back, so that whoever asks afterwards finds
it, and whoever decided at the same time and came second is told.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog
from confluent_kafka import KafkaException

from gateway import limits
from gateway.errors import ApiError, Code, unavailable
from schemas.codec import Codec
from schemas.controls import control_error
from schemas.messages import Control
from schemas.units import make_id

WriteDecisions = Callable[[Sequence[bytes]], Sequence[int]]
"""Writes encoded Control records to every partition or to none; the offsets in the first. Raises KafkaException."""

_log: Final = structlog.get_logger("gateway.decisions")


class DecisionDesk:
    """Writes decisions, one after the other, and sees them come by."""

    def __init__(self, codec: Codec, write: WriteDecisions, is_up: Callable[[], bool]) -> None:
        """How decisions are written, and whether the log can be reached and all of its decisions were read."""
        self._codec = codec
        self._write = write
        self._is_up = is_up
        self._turn = asyncio.Lock()
        self._awaited: dict[str, asyncio.Future[None]] = {}

    def apply_all(self, controls: Iterable[Control]) -> None:
        """Decisions came by; after all else that folds them."""
        for control in controls:
            future = self._awaited.get(control.control_id)
            if future is not None and not future.done():
                future.set_result(None)

    def require_current(self) -> None:
        """Raises ApiError while this gateway does not know what has been decided: nobody can build on it."""
        if not self._is_up():
            raise unavailable("The log")

    async def decide(self, *controls: Control) -> int:
        """Make decisions, all of them or none; the id of the first one's position in the log, once all were read back.

        Raises ApiError: with OUTCOME_UNKNOWN they may stand, with any other nothing was done.
        """
        for control in controls:
            if (error := control_error(control)) is not None:
                raise ApiError(Code.VALIDATION_FAILED, f"{error}.")
        self.require_current()
        if len(self._awaited) >= limits.DECISIONS_WAITING_MAX:
            raise ApiError(Code.SERVICE_UNAVAILABLE, "Too many decisions at once; try again.")
        last = controls[-1].control_id
        read_back = self._awaited[last] = asyncio.get_running_loop().create_future()
        values = [self._codec.encode(control) for control in controls]
        written = asyncio.create_task(self._written(values))
        try:
            async with asyncio.timeout(limits.DECIDE_S):
                offset = await asyncio.shield(written)
                await read_back
        except (KafkaException, TimeoutError) as error:
            _log.warning("decision_unknown", control_id=last, detail=str(error) or type(error).__name__)
            raise ApiError(
                Code.OUTCOME_UNKNOWN, "The log did not say in time that it took the decision; read how things stand."
            ) from None
        finally:
            written.add_done_callback(_heard)
            del self._awaited[last]
        return make_id(0, offset)

    async def _written(self, values: Sequence[bytes]) -> int:
        async with self._turn:
            return (await asyncio.to_thread(self._write, values))[0]


def _heard(written: asyncio.Task[int]) -> None:
    """What became of it was told to whoever waited, or nobody does."""
    if not written.cancelled():
        written.exception()
