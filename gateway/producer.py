"""Commands to the log: an idempotent producer whose acknowledgements come back as futures.

No thread: while something is in flight the event loop serves librdkafka's callbacks every millisecond, otherwise a few
times a second.
"""

import asyncio
from collections import deque
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from gateway import limits
from gateway.broker import Reach
from gateway.errors import ApiError, Code, outcome_unknown, unavailable
from gateway.settings import Settings
from schemas.correlation import CORRELATION_HEADER
from schemas.seal import SEAL_HEADER, SEAL_KEY_HEADER, seal_hmac
from schemas.units import make_id
from stream_topology.sharding import partition_of

POLL_BUSY_S: Final = 0.001
POLL_IDLE_S: Final = 0.05
STATISTICS_MS: Final = 200
FLUSH_S: Final = 1.0

_NEVER_SENT: Final = frozenset(
    {
        KafkaError._PURGE_QUEUE,  # noqa: SLF001 - the library's names begin with _
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - the same
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - the same
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
    }
)
"""Errors that say that the command is certainly not in the log."""


class CommandProducer:
    """Writes sealed commands and says where they stand in the log."""

    def __init__(self, settings: Settings) -> None:
        """Connects in the background; until then, and whenever no broker can be reached, commands are refused."""
        self._topic = f"{settings.prefix}commands"
        self._shards = settings.shards
        self._seal_key = settings.seal_key.encode()
        self._seal_secret = settings.seal_secret
        self._bootstrap = settings.kafka_bootstrap
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._polls_soon = False
        self._pending: deque[tuple[float, asyncio.Future[int]]] = deque()
        self.in_flight = 0
        self._reach = Reach(settings.answer_ms)
        self._answer_ms = settings.answer_ms
        self._is_fenced = False
        self._producer = self._make()
        self._poll()

    @property
    def broker_is_up(self) -> bool:
        """Whether commands are taken."""
        return self._reach.is_up and not self._is_fenced

    def send(self, account: str, value: bytes, correlation_id: str) -> "asyncio.Future[int]":
        """Hand a command to the broker; the future gives its id once it is in the log.

        Raises ApiError at once when no broker can be reached or too many commands are in flight: then nothing was done.
        The future raises ApiError, with OUTCOME_UNKNOWN where the broker did not acknowledge in time.
        """
        if not self.broker_is_up:
            raise unavailable("The log")
        if self.in_flight >= limits.COMMANDS_IN_FLIGHT_MAX:
            raise ApiError(Code.SERVICE_UNAVAILABLE, "Too many commands are on their way to the log; try again.")
        future: asyncio.Future[int] = self._loop.create_future()
        try:
            self._producer.produce(
                self._topic,
                value,
                account.encode(),
                partition_of(account, self._shards),
                on_delivery=partial(self._delivered, future),
                headers=[
                    (SEAL_KEY_HEADER, self._seal_key),
                    (SEAL_HEADER, seal_hmac(self._seal_secret, value)),
                    (CORRELATION_HEADER, correlation_id.encode()),
                ],
            )
        except (BufferError, KafkaException) as error:
            raise unavailable("The log") from error
        self.in_flight += 1
        self._pending.append((self._loop.time() + self._answer_ms / 1_000, future))
        if not self._polls_soon:
            self._schedule()
        return future

    def close(self) -> None:
        """Wait a moment for what is in flight, then stop."""
        if self._timer is not None:
            self._timer.cancel()
        self._producer.flush(FLUSH_S)

    def _make(self) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self._bootstrap,
                "client.id": "tradsys-gateway",
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 0.5,
                "message.timeout.ms": self._answer_ms,
                "request.timeout.ms": self._answer_ms,
                "retry.backoff.ms": 20,
                "reconnect.backoff.ms": 50,
                "reconnect.backoff.max.ms": 500,
                "enable.sparse.connections": False,
                "allow.auto.create.topics": False,
                "socket.nagle.disable": True,
                "queue.buffering.max.messages": limits.COMMANDS_IN_FLIGHT_MAX,
                "log_level": 0,
                **self._reach.options(STATISTICS_MS),
                "error_cb": self._failed,
            }
        )

    def _poll(self) -> None:
        self._producer.poll(0)
        if self._is_fenced:
            # Only this idempotent session is lost: what it had in flight keeps its deadline, a new one goes on.
            self._producer = self._make()
            self._is_fenced = False
            self.in_flight = 0
        now = self._loop.time()
        pending = self._pending
        while pending and (pending[0][1].done() or pending[0][0] <= now):
            future = pending.popleft()[1]
            if not future.done():
                future.set_exception(outcome_unknown())
        self._schedule()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._polls_soon = bool(self._pending)
        self._timer = self._loop.call_later(POLL_BUSY_S if self._polls_soon else POLL_IDLE_S, self._poll)

    def _delivered(self, future: "asyncio.Future[int]", error: KafkaError | None, message: Message) -> None:
        self.in_flight -= 1
        if future.done():
            return  # its deadline has passed, or nobody waits any more
        if error is None:
            future.set_result(make_id(_known(message.partition()), _known(message.offset())))
        elif error.code() in _NEVER_SENT:
            future.set_exception(unavailable("The log"))
        else:
            future.set_exception(outcome_unknown())

    def _failed(self, error: KafkaError) -> None:
        self._is_fenced |= error.fatal()
        self._reach.failed(error)


def _known(number: Any) -> int:
    assert isinstance(number, int)
    return number
