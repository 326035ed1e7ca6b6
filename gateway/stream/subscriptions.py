"""The channels of one WebSocket session."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import structlog

from gateway import limits
from gateway.auth.tokens import Identity
from gateway.errors import ApiError, Code
from gateway.rights import CHANNELS, EVERYBODY, require
from gateway.stream import requests, snapshots
from gateway.stream.channel import Place, Subscriber
from gateway.stream.door import Door
from gateway.stream.wire import Message

NOWHERE: Final = Place()
BEYOND: Final = (
    f"What came after that is no longer there, or more than {limits.REPLAY_FRAMES_MAX} messages; this begins anew."
)
WRONG: Final = "Something went wrong on our side."
INTERVALS: Final = frozenset({"1s", "1m", "5m", "1h", "1d"})

_log: Final = structlog.get_logger("gateway.stream")


class Subscriptions:
    """What a client listens to."""

    def __init__(
        self,
        door: Door,
        address: str,
        subscriber: Subscriber,
        *,
        who: Callable[[], Identity],
        answer: Callable[..., None],
        refuse: Callable[[ApiError, str | None], None],
    ) -> None:
        """`who` says who listens, else raises ApiError; `answer(type, request_id, ...)` goes to the client."""
        self._door = door
        self._hub = door.hub
        self._address = address
        self._subscriber = subscriber
        self._who = who
        self._answer = answer
        self._refuse = refuse
        self._channels: dict[str, None] = {}
        self._replays: dict[str, asyncio.Task[None]] = {}
        """Channels that are being resumed from the log."""
        self._has_ended = False

    async def add(self, message: requests.Subscribe) -> None:
        """Begin with channels: what came after a place if that can be had, else a snapshot; then each frame.

        Raises ApiError.
        """
        names = [self._channel(name) for name in requests.channel_names(message)]
        place = Place(message.from_sequence, message.from_offset)
        resumes = place != NOWHERE
        if resumes and len(names) > 1:
            field = "from_offset" if place.sequence is None else "from_sequence"
            raise ApiError(Code.VALIDATION_FAILED, f"{field} resumes one channel; name one.", field=field)
        for name in names:
            if CHANNELS[name.partition(":")[0]] is not EVERYBODY:
                await self._door.guard.charge_read(self._who(), self._address)
        beside = await self._halts_beside(names)
        self._require_room([*names, *beside])
        states = {} if resumes else await self._states(names)
        if self._has_ended:
            return
        if resumes and self._hub.missed(names[0], place) is None:
            self._replay(names[0], beside, place, message.request_id)
            return
        self._take([*names, *beside])
        told = {"resumed": True} if resumes else {}
        self._answer("marketdata.subscribed", message.request_id, channels=[*names, *beside], **told)
        for name in [*names, *beside]:
            self._begin(name)
            if not (resumes and name == names[0] and self._hub.resume(name, self._subscriber, place)):
                self._show(name, states)

    def remove(self, message: requests.Unsubscribe) -> None:
        """End with channels. Raises ApiError."""
        names = [self._channel(name) for name in requests.channel_names(message)]
        self._door.shares.unsubscribe(self._address, len(self._channels.keys() & set(names)))
        for name in names:
            self._channels.pop(name, None)
            self._leave(name)
        self._answer("marketdata.unsubscribed", message.request_id, channels=names)

    def end(self) -> int:
        """The connection has ended: how many channels it had."""
        self._has_ended = True
        for name in self._channels:
            self._leave(name)
        return len(self._channels)

    def _replay(self, name: str, beside: list[str], place: Place, request_id: str | None) -> None:
        """Resume from the log, beside what the client says meanwhile. Raises ApiError."""
        self._take([name])
        self._begin(name)
        task = asyncio.create_task(self._replayed(name, beside, place, request_id))
        self._replays[name] = task
        task.add_done_callback(lambda done: self._replays.pop(name, None) if self._replays.get(name) is done else None)

    async def _replayed(self, name: str, beside: list[str], place: Place, request_id: str | None) -> None:
        try:
            await self._resume(name, beside, place, request_id)
        except ApiError as error:
            self._give_up(name, error, request_id)
        except Exception:  # noqa: BLE001 - whatever it is, the client gets an answer and the log the trace
            _log.exception("replay_failed", channel=name)
            self._give_up(name, ApiError(Code.INTERNAL_ERROR, WRONG), request_id)

    def _give_up(self, name: str, error: ApiError, request_id: str | None) -> None:
        del self._replays[name]  # this very task, which ends by itself
        del self._channels[name]
        self._leave(name)
        self._door.shares.unsubscribe(self._address, 1)
        self._refuse(error, request_id)

    async def _resume(self, name: str, beside: list[str], place: Place, request_id: str | None) -> None:
        """One channel from the log, and those beside it from now on. Raises ApiError."""
        missed = await self._door.replays.after(name, place, self._address)
        states = {} if missed is not None else await self._states([name])
        beside = [other for other in beside if other not in self._channels]
        self._require_room(beside)
        self._take(beside)
        told: dict[str, Any] = {"resumed": True} if missed is not None else {"resumed": False, "message": BEYOND}
        self._answer("marketdata.subscribed", request_id, channels=[name, *beside], **told)
        for other in beside:
            self._begin(other)
            self._show(other, {})
        if missed is None:
            self._show(name, states)
            return
        await self._subscriber.deliver_all(missed)
        last = Place(missed[-1].sequence) if missed else place
        if self._hub.sequence(name) is None:
            self._hub.follow(name, self._subscriber)
        elif not self._hub.resume(name, self._subscriber, last):
            self._show(name, await self._states([name]))  # it went on for longer than is kept in memory

    async def _states(self, names: list[str]) -> dict[str, list[dict[str, Any]]]:
        """What the read models say of private channels. Raises ApiError."""
        states = {}
        for name in names:
            kind, _, account = name.partition(":")
            if kind in snapshots.READ:
                states[name] = await snapshots.rows(self._door.database, kind, account)
        return states

    def _show(self, name: str, states: dict[str, list[dict[str, Any]]]) -> None:
        """A snapshot, and then each frame."""
        if name in states:
            self._hub.join(name, self._subscriber, partial(_private, name, states[name]))
        else:
            self._hub.subscribe(name, self._subscriber)

    def _leave(self, name: str) -> None:
        if (task := self._replays.pop(name, None)) is not None:
            task.cancel()
        self._hub.unsubscribe(name, self._subscriber)
        self._subscriber.forget(name)

    def _begin(self, name: str) -> None:
        self._leave(name)
        self._channels[name] = None

    async def _halts_beside(self, names: list[str]) -> list[str]:
        """With an account's alerts come those of the symbols that it trades now and does not listen to yet."""
        account = next((rest for kind, _, rest in (name.partition(":") for name in names) if kind == "alerts"), None)
        if account is None:
            return []
        halts = [f"halts:{symbol}" for symbol in await snapshots.symbols(self._door.database, account)]
        return [name for name in halts if name not in self._channels and name not in names]

    def _take(self, names: list[str]) -> None:
        """Count channels for the address too. Raises ApiError."""
        self._door.shares.subscribe(self._address, len(set(names) - self._channels.keys()))

    def _require_room(self, names: list[str]) -> None:
        if len(self._channels.keys() | set(names)) > limits.WS_SUBSCRIPTIONS_MAX:
            raise ApiError(
                Code.LIMIT_EXCEEDED, f"A connection may have {limits.WS_SUBSCRIPTIONS_MAX} channels at a time."
            )

    def _channel(self, name: str) -> str:
        """The whole name of a channel. Raises ApiError for one that does not exist or is another's."""
        kind, _, rest = name.partition(":")
        right = CHANNELS.get(kind)
        if right is not EVERYBODY:
            identity = self._who()
            require(identity.rights, right)
            account = identity.account
            if rest in {"", account}:
                return f"{kind}:{account}"
        elif kind == "candles":
            symbol, _, interval = rest.rpartition(":")
            if symbol in self._door.symbols and interval in INTERVALS:
                return name
        elif kind in CHANNELS and rest in self._door.symbols:
            return name
        raise ApiError(Code.NOT_FOUND, f"There is no channel {name!r}.", field="channel")


def _private(
    name: str, known: list[dict[str, Any]], sequence: int | None, offset: int | None, payloads: Sequence[bytes]
) -> Message:
    return snapshots.message(name, sequence, offset, snapshots.merge(name.partition(":")[0], known, payloads))
