"""The stream as pure code: a generator yields what is to be done with a connection, and is sent what came of it.

It logs in, asks for channels, follows them, asks anew for what has a gap, and when the connection is lost opens another
and goes on where it was. Pauses double up to a limit; nothing is left to chance.
"""

from collections.abc import Generator, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from tradsys.client import limits
from tradsys.client.channels import Channel, Heard
from tradsys.client.commands import Commands
from tradsys.client.errors import (
    INTERNAL_ERROR,
    ApiError,
    ClientError,
    ForbiddenError,
    ProtocolError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
    api_error,
)
from tradsys.client.events import Connected, Disconnected, Gap, Refused
from tradsys.client.other_calls import ticket
from tradsys.client.rules import Authorise, Means
from tradsys.client.session import Session
from tradsys.client.steps import Ask, Hang, Hear, Lost, Open, Rest, Say, Step, Steps
from tradsys.client.wire import CORRELATION, Answer, refusal, retry_after_s

PATH: Final = "/ws"
_ENDED: Final = frozenset({4001, 4003})
"""Close codes that say that the token is no longer good."""

_heard: Final = msgspec.json.Decoder(Heard).decode
_account: Final = msgspec.json.Decoder(dict[str, str]).decode


class Stream:
    """The channels of one stream, and its connection as far as it is known here.

    Between two steps of `run` the other methods may be called; what they give is for the connection of that moment.
    """

    def __init__(self, session: Session | None, means: Means, *, with_ticket: bool) -> None:
        """Who it is, None for nobody; and whether a ticket says so instead of the first message."""
        self._session = session
        self._means = means
        self._with_ticket = with_ticket
        self._channels: dict[str, Channel] = {}
        self._again_s: dict[str, float] = {}
        """When to ask anew for channels whose state could not be read."""
        self._commands = Commands(means)
        self._cancels_on_disconnect = False
        self._is_open = False
        self._was_open = False
        self._failures = 0
        self._refused: str | None = None
        self._token: str | None = None
        self._token_due_s: float | None = None
        """When another token is due."""
        self._account: str | None = None
        self._asked_s = 0.0
        """How long the gateway has asked to wait."""
        self._gaps = 0

    def subscribe(self, name: str, from_sequence: int | None = None, from_offset: int | None = None) -> list[str]:
        """Follow a channel; what to say if the stream is open. Raises ValueError for what is no name of one."""
        if not 1 <= len(name) <= limits.CHANNEL_CHARACTERS_MAX:
            raise ValueError(f"{name[:80]!r} is no name of a channel, such as book:BTC-USD.")
        self._channels[name] = Channel(name, from_sequence, from_offset)
        return [self._ask(self._channels[name])] if self._is_open else []

    def unsubscribe(self, name: str) -> list[str]:
        """Follow a channel no more; what to say if the stream is open."""
        self._again_s.pop(name, None)
        if self._channels.pop(name, None) is None or not self._is_open:
            return []
        return [_text({"type": "marketdata.unsubscribe", "channel": name})]

    def cancel_on_disconnect(self, *, enabled: bool) -> list[str]:
        """Whether open orders end with each connection; what to say if the stream is open."""
        self._cancels_on_disconnect = enabled
        return [self._cancelling()] if self._is_open else []

    @property
    def commands(self) -> Commands:
        """What sends orders. Raises UnreachableError unless the stream is open: then nothing may be sent."""
        if not self._is_open:
            raise UnreachableError("The stream is not open: nothing was sent.")
        return self._commands

    def run(self) -> Steps:
        """Everything, for ever. Raises ClientError when the credentials are not good, or not good enough.

        After that nothing more is sent, and the commands without an answer have been told.
        """
        try:
            yield from self._connections()
        except Exception as error:
            self._is_open = False
            yield Hang()
            yield from self._commands.lost(str(error))
            raise
        finally:
            self._is_open = False

    def _connections(self) -> Steps:
        """One after the other."""
        while True:
            lost = yield from self._connect()
            if lost is None:
                opened_s = self._means.clock_s()
                yield Connected(account=self._account, is_again=self._was_open)
                self._was_open = True
                lost = yield from self._follow()
                if self._means.clock_s() - opened_s >= limits.STREAM_BACKOFF_MAX_S:
                    self._failures = 0
            self._is_open = False
            yield from self._commands.lost(lost.why)
            if lost.code in _ENDED:
                self._replace_token(lost.why)
            wait_s = max(self._backoff_s(), self._asked_s)
            yield Disconnected(why=lost.why, wait_s=wait_s)
            yield Rest(wait_s)

    # Opening

    def _connect(self) -> Generator[Step, Any, Lost | None]:
        """Open a connection, say who it is and ask for the channels; None when that is done."""
        self._asked_s = 0.0
        self._gaps = 0
        try:
            target = yield from self._target()
        except (UnauthorizedError, ForbiddenError):
            raise
        except ClientError as error:
            return Lost(error.message)
        opened = yield Open(target, {CORRELATION: self._means.make_id()})
        if isinstance(opened, Lost):
            return opened
        if isinstance(opened, Answer):
            return self._handshake_refused(opened)
        if self._session is not None and not self._with_ticket:
            lost = yield from self._log_in()
            if lost is not None:
                yield Hang()
                return lost
        self._refused = None
        self._is_open = True
        texts = [self._cancelling()] if self._cancels_on_disconnect else []
        for channel in self._channels.values():
            if channel.sequence is None and channel.offset is None:
                channel.ask_anew()
            texts.append(self._ask(channel))
        yield from map(Say, texts)
        return None

    def _target(self) -> Generator[Step, Any, str]:
        """Where to connect, with a token or a ticket at hand. Raises ClientError."""
        if self._session is None:
            return PATH
        yield from self._authorise(self._refused)
        if not self._with_ticket:
            return PATH
        opens = yield Ask(ticket())
        self._account = self._session.account
        return f"{PATH}?ticket={quote(opens.ticket, safe='')}"

    def _handshake_refused(self, answer: Answer) -> Lost:
        error = refusal(answer)
        if isinstance(error, ForbiddenError):
            raise error
        self._asked_s = retry_after_s(answer.headers) or 0.0
        return Lost(str(error))

    def _log_in(self) -> Generator[Step, Any, Lost | None]:
        """Send the token and await the answer; None when it is good."""
        yield Say(_text({"type": "auth", "token": self._token}))
        text = yield Hear(limits.STREAM_ANSWER_S)
        if isinstance(text, Lost):
            return text
        if text is None:
            return Lost(f"no answer to the token within {limits.STREAM_ANSWER_S:.0f} s")
        try:
            heard = _heard(text)
            if heard.error is None:
                self._account = _account(heard.data)["account"]
                return None
        except (msgspec.DecodeError, KeyError) as unreadable:
            raise ProtocolError(f"What answers at {PATH} is no gateway that this client knows.") from unreadable
        error = _error(heard)
        if isinstance(error, UnauthorizedError):
            if self._refused is not None or self._session is None or not self._session.can_renew:
                raise error
            self._refused = self._token
            return Lost(str(error))
        if isinstance(error, ForbiddenError):
            raise error
        return Lost(str(error))

    def _replace_token(self, why: str) -> None:
        """The connection ended because its token did. Raises UnauthorizedError where there is no other."""
        if self._session is None or not self._session.can_renew:
            raise UnauthorizedError("UNAUTHORIZED", f"The gateway ended the stream: {why}.")
        self._refused = self._token

    def _authorise(self, refused: str | None) -> Generator[Step, Any, None]:
        """Come by a token that is good."""
        assert self._session is not None
        self._token = yield Authorise(refused)
        self._token_due_s = self._session.due_s()

    # Following

    def _follow(self) -> Generator[Step, Any, Lost]:
        """Tell what comes until the connection is lost."""
        while True:
            timeout_s = self._timeout_s()
            if timeout_s == 0.0:
                lost = yield from self._on_time()
                if lost is not None:
                    return lost
                continue
            text = yield Hear(timeout_s)
            if isinstance(text, Lost):
                return text
            if text is None:
                continue
            yield from self._hear(text)
            if self._gaps > limits.GAPS_MAX:
                yield Hang()
                return Lost("too many gaps and wrong checksums")

    def _hear(self, text: str) -> Generator[Step, Any, None]:
        """What follows from a message."""
        try:
            heard = _heard(text)
            command = self._commands.take(heard)
            channel = self._channel(heard.channel)
            events = [] if channel is None or heard.kind is None else channel.take(heard)
        except msgspec.DecodeError as error:
            raise ProtocolError(f"The gateway sent what this client cannot read: {error}.") from error
        if command is not None:
            yield command
        elif heard.error is not None:
            yield from self._refusal(heard)
        if channel is not None or command is not None:
            self._failures = 0
        for event in events:
            yield event
            if isinstance(event, Gap) and channel is not None:
                self._gaps += 1
                yield Say(self._ask(channel))

    def _refusal(self, heard: Heard) -> Generator[Step, Any, None]:
        """An error about a channel; there is no other that matters: who is not let in any more is hung up on."""
        channel = self._channels.get(heard.request_id or "")
        if channel is None:
            return
        error = _error(heard)
        if isinstance(error, UnavailableError) or error.code == INTERNAL_ERROR:
            wait_s = max(limits.SUBSCRIBE_AGAIN_S, error.retry_after_s or 0.0)
            self._again_s[channel.name] = self._means.clock_s() + wait_s
            return
        del self._channels[channel.name]
        yield Refused(channel=channel.name, error=error)

    def _on_time(self) -> Generator[Step, Any, Lost | None]:
        """Do what is due: channels to be asked for anew, and a token that is about to end."""
        now_s = self._means.clock_s()
        due = [name for name, at_s in self._again_s.items() if at_s <= now_s]
        for name in due:
            del self._again_s[name]
        yield from map(Say, [self._ask(self._channels[name]) for name in due])
        if self._token_due_s is not None and self._token_due_s <= now_s:
            before = self._token
            try:
                yield from self._authorise(None)
            except ClientError as error:
                yield Hang()
                return Lost(error.message)
            if self._token != before:
                yield Say(_text({"type": "auth", "token": self._token}))
        return None

    def _timeout_s(self) -> float | None:
        """When something is due."""
        moments = list(self._again_s.values())
        if self._token_due_s is not None:
            moments.append(self._token_due_s)
        return max(0.0, min(moments) - self._means.clock_s()) if moments else None

    def _channel(self, whole: str | None) -> Channel | None:
        """By the whole name, which ends with the account where the channel is private."""
        if whole is None:
            return None
        kind = whole.partition(":")[0]
        known = self._channels.get(whole) or self._channels.get(kind)
        if known is None and kind == "halts" and "alerts" in self._channels:
            known = self._channels[whole] = Channel(whole)  # which the gateway adds to the account's alerts
        return known

    def _ask(self, channel: Channel) -> str:
        message: dict[str, Any] = {
            "type": "marketdata.subscribe",
            "channel": channel.name,
            "request_id": channel.name,
        }
        if channel.sequence is not None:
            message["from_sequence"] = channel.sequence
        if channel.offset is not None:
            message["from_offset"] = channel.offset
        return _text(message)

    def _cancelling(self) -> str:
        return _text({"type": "session.cancel_on_disconnect", "enabled": self._cancels_on_disconnect})

    def _backoff_s(self) -> float:
        pause_s = min(limits.BACKOFF_MIN_S * 2.0**self._failures, limits.STREAM_BACKOFF_MAX_S)
        self._failures = min(self._failures + 1, 16)
        return pause_s


def _error(heard: Heard) -> ApiError:
    """The exception for a message that is an error."""
    assert heard.error is not None
    return api_error(heard.error, correlation_id=heard.correlation_id, retry_after_s=heard.retry_after)


def _text(message: Mapping[str, Any]) -> str:
    return msgspec.json.encode(message).decode()
