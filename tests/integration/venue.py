"""A whole platform of a test's own: all workers and the gateway, users and accounts as the demo has them."""

import os
import secrets
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import create_engine

from gateway.auth.users import NewUser, seed
from schemas.codec import Codec, CodecError
from schemas.messages import (
    Command,
    CommandKind,
    DeadLetter,
    Execution,
    ExecutionKind,
    Order,
    OrderKind,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from schemas.registry import connect
from schemas.seal import seal_ed25519, seal_headers
from schemas.units import E8, make_id, split_id
from stream_topology.sharding import partition_of
from stream_topology.stages import STAGES
from stream_topology.subjects import subjects
from tests.integration.patience import PATIENT_MS, log_in
from tradsys import platform
from tradsys.audit.kafka_log import KafkaLog
from tradsys.demo.flow import SYMBOL
from tradsys.demo.venue import controls
from tradsys.settings import Settings, free_ports, load
from tradsys.stack.processes import process_parts
from tradsys.stack.supervision import Supervision
from workers.projections.verify import offsets

PEOPLE = ("alice", "bob")
BOTS = ("bot-01", "bot-02", "bot-03")
KEY = "bots-1"
PRICE = 60_000
QUANTITY = "0.01"
ANSWER_S_MAX = 60.0
"""For what takes a moment on a quiet machine; a busy one restarts a worker in half a minute."""

Headers = Iterable[tuple[str, bytes]]


def until(condition: Callable[[], Any], what: str, seconds: float = ANSWER_S_MAX) -> Any:
    """Poll with a deadline, and less often than budgets of requests allow; gives what the condition gave."""
    deadline_s = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"after {seconds:.0f} s: {what}"
        time.sleep(0.05)
    return found


def new_order(account: str, client_order_id: str, **changes: Any) -> Command:
    """A limit order at the usual price."""
    usual: dict[str, Any] = {
        "symbol": SYMBOL,
        "side": Side.SELL,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "price_e8": PRICE * E8,
        "quantity_e8": E8 // 100,
    }
    return Command(CommandKind.NEW, account, client_order_id=client_order_id, **(usual | changes))


@dataclass
class Venue:
    """The platform, and those who trade there."""

    settings: Settings
    codec: Codec
    rest: httpx.Client
    passwords: dict[str, str]
    keys: dict[str, Ed25519PrivateKey]
    tokens: dict[str, str] = field(default_factory=dict)
    _executions: dict[int, list[Execution]] = field(default_factory=lambda: defaultdict(list))
    """By order."""
    _answers: dict[int, Execution] = field(default_factory=dict)
    """By command."""
    _letters: dict[int, DeadLetter] = field(default_factory=dict)
    """By the place in `commands`."""
    _numbers: int = 0
    _price: int = PRICE

    def __post_init__(self) -> None:
        servers = {"bootstrap.servers": self.settings.kafka_bootstrap, "log_level": 0}
        self.supervision = Supervision(self.settings.home)
        parts = [*platform.stack_parts(self.settings, lambda _: None), *process_parts(self.settings)]
        self.parts = {part.name: part for part in parts}
        self.log = KafkaLog(self.settings.kafka_bootstrap, self.settings.topic_prefix, self.settings.shards)
        self._producer = Producer(servers | {"enable.idempotence": True, "message.max.bytes": 1_048_576})
        self._consumer = Consumer(servers | {"group.id": "unused", "isolation.level": "read_committed"})
        shards = range(self.settings.shards)
        topics = [self.settings.topic_prefix + name for name in ("executions", "dead_letters")]
        self._consumer.assign([TopicPartition(topic, shard, 0) for topic in topics for shard in shards])

    def close(self) -> None:
        self._producer.flush(1)
        self._consumer.close()
        self.rest.close()

    # Processes

    def pids(self) -> dict[str, int]:
        return {state.name: state.pid for state in self.supervision.states()}

    def pid(self, name: str) -> int:
        """The process of a part, once it has one: a signal to the process 0 is for whoever runs the tests."""
        found: int = until(lambda: self.pids()[name], f"{name} does not run")
        return found

    def kill(self, *names: str) -> None:
        """kill -9; the supervisor starts them again."""
        for pid in [self.pid(name) for name in names]:
            os.kill(pid, signal.SIGKILL)

    @contextmanager
    def away(self, name: str) -> Iterator[None]:
        """Killed, and not started again before the end."""
        with suppress(ProcessLookupError), self.frozen(name) as pid:
            self.supervision.stop_part(self.parts[name])  # it cannot heed that: it is frozen
            os.kill(pid, signal.SIGKILL)
        until(lambda: self.pids()[name] == 0, f"{name} still runs")
        try:
            yield
        finally:
            self.supervision.start_part(self.parts[name])

    @contextmanager
    def frozen(self, name: str) -> Iterator[int]:
        """Alive, and doing nothing; its pid."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)
        process = psutil.Process(pid)
        until(lambda: process.status() == psutil.STATUS_STOPPED, f"{name} does not stop")
        try:
            yield pid
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextmanager
    def hung(self, name: str) -> Iterator[None]:
        """Frozen with all its children: connections are taken, and nothing is answered."""
        parent = psutil.Process(self.pid(name))
        processes = [parent, *parent.children(recursive=True)]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def said_by(self, name: str) -> Callable[[], str]:
        """What a part writes to its log from now on."""
        path = self.supervision.log_file(name)
        begin = path.stat().st_size

        def said() -> str:
            return path.read_bytes()[begin:].decode()

        return said

    # Bots, who write to the log

    def sealed(self, account: str, value: bytes) -> Headers:
        return seal_headers(KEY, seal_ed25519(self.keys[account], value))

    def write(self, value: bytes | None, key: bytes, partition: int, headers: Headers) -> int:
        """Write to `commands`; the id that the log gives the command."""
        offsets: list[int] = []

        def delivered(error: object, message: Any) -> None:
            assert error is None
            offsets.append(message.offset())

        topic = f"{self.settings.topic_prefix}commands"
        self._producer.produce(topic, value, key, partition, headers=list(headers), on_delivery=delivered)
        assert self._producer.flush(ANSWER_S_MAX) == 0
        return make_id(partition, offsets[0])

    def send(self, command: Command) -> int:
        value, account = self.codec.encode(command), command.account
        return self.write(value, account.encode(), self.shard(account), self.sealed(account, value))

    def shard(self, account: str) -> int:
        return partition_of(account, self.settings.shards)

    def unique(self) -> str:
        """A client_order_id that was not used before."""
        self._numbers += 1
        return f"order-{self._numbers}"

    # What the log says

    def answer(self, command_id: int) -> Execution:
        def look() -> Execution | None:
            self._read()
            return self._answers.get(command_id)

        found: Execution = until(look, f"no answer to the command at {split_id(command_id)}")
        return found

    def letter(self, command_id: int) -> DeadLetter:
        def look() -> DeadLetter | None:
            self._read()
            return self._letters.get(command_id)

        found: DeadLetter = until(look, f"no dead letter of the record at {split_id(command_id)}")
        return found

    def executions(self, order_id: int, count: int) -> list[Execution]:
        """All of an order, once there are so many."""

        def look() -> bool:
            self._read()
            return len(self._executions[order_id]) >= count

        until(look, f"order {order_id} has {self._executions[order_id]}")
        return self._executions[order_id]

    def _read(self) -> None:
        for record in self._consumer.consume(1_000, 0.01):
            if record.error():
                continue  # a broker that is away; the client comes back by itself
            topic, value = str(record.topic()), record.value() or b""
            if topic.endswith("dead_letters"):
                letter = self.codec.decode(value, "DeadLetter")
                assert isinstance(letter, DeadLetter)
                if letter.source_topic == "commands":
                    self._letters[make_id(letter.source_partition, letter.source_offset)] = letter
                continue
            execution = self.codec.decode(value, "Execution")
            assert isinstance(execution, Execution)
            self._executions[execution.order_id].append(execution)
            if execution.command_id is not None:
                self._answers[execution.command_id] = execution

    def orders(self, client_order_id: str) -> list[Order]:
        """What went to the book under an id."""
        return [order for order in self.new_orders() if order.client_order_id == client_order_id]

    def new_orders(self) -> list[Order]:
        """All that ever went to a book."""
        found = [self.codec.decode(record.value or b"", "Order") for record in self.log.records("orders")]
        return [order for order in found if isinstance(order, Order) and order.kind is OrderKind.NEW]

    def commands(self, client_order_id: str) -> list[Command]:
        """What was asked under an id."""
        found = []
        for record in self.log.records("commands"):
            try:
                command = self.codec.decode(record.value or b"", "Command")
            except CodecError:
                continue
            if isinstance(command, Command) and command.client_order_id == client_order_id:
                found.append(command)
        return found

    # People, who use the gateway

    def login(self, username: str) -> httpx.Response:
        return self.rest.post("/auth/login", json={"username": username, "password": self.passwords[username]})

    def get(self, path: str, username: str = "alice") -> httpx.Response:
        return self.rest.get(path, headers=self._bearer(username))

    def place(self, username: str, client_order_id: str, wait_ms: int = 10_000, **changes: Any) -> httpx.Response:
        """An order that rests far below the market."""
        usual = {"symbol": SYMBOL, "side": "buy", "type": "limit", "price": "30000", "quantity": QUANTITY}
        order = usual | {"client_order_id": client_order_id} | changes
        headers = self._bearer(username)
        return self.rest.post("/api/v1/orders", params={"wait": wait_ms}, json=order, headers=headers)

    def cancel(self, username: str, order_id: int, wait_ms: int = 10_000) -> httpx.Response:
        headers = self._bearer(username)
        return self.rest.delete(f"/api/v1/orders/{order_id}", params={"wait": wait_ms}, headers=headers)

    def ready(self) -> httpx.Response:
        return self.rest.get("/health/ready")

    def until_ready(self) -> None:
        """Wait for the gateway, which may be about to start."""

        def is_ready() -> bool:
            try:
                return self.ready().status_code == 200
            except httpx.TransportError:
                return False

        until(is_ready, "the gateway is not ready")

    def until_projected(self) -> None:
        """The rows are as far as the log was when this was asked for."""
        topics = STAGES["projections"].inputs
        ends = {(self.log.prefix + name, shard): end for (name, shard), end in self.log.ends(topics).items()}
        with psycopg.connect(self.settings.db_dsn, autocommit=True) as connection:

            def is_there() -> bool:
                rows = offsets(connection)
                return all(rows.get(place, 0) >= end for place, end in ends.items())

            until(is_there, "the rows are behind the log")

    def _bearer(self, username: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[username]}"}

    # All together

    def trade(self) -> int:
        """A bot's order rests, alice takes it through REST, both are filled; her order's id.

        The bot's shard is the one where the tests write what is bad. Each trade is a dollar below the last one, so that
        nothing that a failed test left behind is taken instead.
        """
        self._price -= 1
        rests = self.send(new_order("bot-02", self.unique(), price_e8=self._price * E8))
        assert self.answer(rests).kind is ExecutionKind.NEW
        taken = self.place("alice", self.unique(), price=str(self._price), time_in_force="ioc")
        assert taken.status_code in {200, 202}, taken.text  # 202: the answer is not here yet
        order_id = int(taken.json()["data"]["order_id"])
        for filled in (rests, order_id):
            assert self.executions(filled, 2)[-1].kind is ExecutionKind.TRADE
        return order_id


@contextmanager
def open_venue(answer_ms: int = PATIENT_MS) -> Iterator[Venue]:
    """Start a platform, open the venue, and leave nothing behind. The gateway's dependencies may take so long."""
    with tempfile.TemporaryDirectory(prefix="tradsys-outages-") as home, pytest.MonkeyPatch.context() as environment:
        environment.setenv("ANSWER_MS", str(answer_ms))
        settings = load(Path(home), {}, flags=free_ports())
        try:
            platform.up(settings, report=lambda _: None)
            with closing(_venue(settings)) as venue:
                _open(venue)
                yield venue
        finally:
            platform.down(settings.home)


def _venue(settings: Settings) -> Venue:
    codec = connect(settings.schema_registry_url, subjects(settings.topic_prefix))
    rest = httpx.Client(base_url=settings.gateway_url, timeout=60, trust_env=False)
    passwords = {name: secrets.token_urlsafe(12) for name in PEOPLE}
    return Venue(settings, codec, rest, passwords, {name: Ed25519PrivateKey.generate() for name in BOTS})


def _open(venue: Venue) -> None:
    """Make the users and the venue's accounts, and wait until they can trade."""
    settings = venue.settings
    engine = create_engine(settings.db_dsn.replace("postgresql://", "postgresql+psycopg://", 1))
    seed(engine, [NewUser(name, password, name, "trader") for name, password in venue.passwords.items()])
    engine.dispose()
    public_keys = {account: key.public_key().public_bytes_raw() for account, key in venue.keys.items()}
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap, "enable.idempotence": True})
    for control in controls(KEY, (*PEOPLE, *BOTS), PRICE * E8, public_keys):
        for shard in range(settings.shards):
            producer.produce(f"{settings.topic_prefix}control", venue.codec.encode(control), partition=shard)
    assert producer.flush(ANSWER_S_MAX) == 0
    venue.tokens |= {name: log_in(venue.rest, name, venue.passwords[name])["token"] for name in PEOPLE}
    # A bot is known once risk has read its key, which comes last.
    until(lambda: all(_bot_is_known(venue, name) for name in BOTS), f"risk does not know {BOTS}")
    until(lambda: all(venue.cancel(name, 1).status_code == 404 for name in PEOPLE), f"risk does not know {PEOPLE}")


def _bot_is_known(venue: Venue, account: str) -> bool:
    answer = venue.answer(venue.send(Command(CommandKind.CANCEL, account, client_order_id="none")))
    return answer.reason is Reason.ORDER_UNKNOWN
