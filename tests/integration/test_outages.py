"""Bad records and outages, with the whole platform running: what a client and the operator see of them."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from gateway import limits
from schemas.messages import Command, CommandKind, DeadLetterReason, Execution, ExecutionKind, Reason, Tick
from schemas.seal import parse_seal_secrets, seal_ed25519, seal_headers, seal_hmac
from schemas.units import E8, INT64_MAX, make_id, split_id
from tests.integration.venue import KEY, Headers, Venue, new_order, open_venue, until
from tradsys.demo.flow import SYMBOL

pytestmark = pytest.mark.timeout(300)

BOT = "bot-02"
SAME_SHARD = "bot-03"
OTHER_SHARD = "bot-01"
NOBODY = "nobody-2"
TOO_LARGE_BYTES = 1_040_000
KEPT_BYTES = 65_536


@pytest.fixture(scope="module")
def venue() -> Iterator[Venue]:
    with open_venue(limits.ANSWER_MS) as opened:
        assert opened.shard(BOT) == opened.shard(SAME_SHARD) == opened.shard(NOBODY) != opened.shard(OTHER_SHARD)
        yield opened


@pytest.fixture
def nothing_restarts(venue: Venue) -> Iterator[None]:
    before = venue.pids()
    yield
    assert venue.pids() == before


# Records that no stage can use

Record = tuple[bytes | None, bytes, Headers]
"""Value, key, headers."""


def _good(venue: Venue) -> Record:
    value = venue.codec.encode(new_order(BOT, venue.unique()))
    return value, BOT.encode(), venue.sealed(BOT, value)


def _with_value(change: Callable[[bytes], bytes | None]) -> Callable[[Venue], Record]:
    """A record of an account that seals what it sends, so that only the value is wrong."""

    def make(venue: Venue) -> Record:
        value = change(_good(venue)[0] or b"")
        return value, BOT.encode(), venue.sealed(BOT, value or b"")

    return make


def _of(account: str, key: bytes) -> Callable[[Venue], Record]:
    def make(venue: Venue) -> Record:
        value = venue.codec.encode(new_order(account, venue.unique()))
        return value, key, venue.sealed(account, value)

    return make


def _tick(venue: Venue) -> Record:
    value = venue.codec.encode(Tick(sequence=1, ts_us=1))
    return value, BOT.encode(), venue.sealed(BOT, value)


UNREADABLE: dict[str, tuple[Callable[[Venue], Record], DeadLetterReason]] = {
    "nothing": (_with_value(lambda _: None), DeadLetterReason.NOT_AVRO),
    "JSON": (_with_value(lambda _: b'{"kind":"NEW","account":"bot-02"}'), DeadLetterReason.NOT_AVRO),
    "a schema id that nobody has": (
        _with_value(lambda value: b"\0\x7f\xff\xff\xfe" + value[5:]),
        DeadLetterReason.SCHEMA_UNKNOWN,
    ),
    "a value that is cut off": (_with_value(lambda value: value[:-3]), DeadLetterReason.TRUNCATED),
    "a value of 1 MB": (
        _with_value(lambda value: value.ljust(TOO_LARGE_BYTES, b"\x01")),
        DeadLetterReason.TOO_LARGE,
    ),
    "another record": (_tick, DeadLetterReason.WRONG_RECORD),
    "the wrong partition": (_of(OTHER_SHARD, OTHER_SHARD.encode()), DeadLetterReason.WRONG_PARTITION),
    "another account's key": (_of(BOT, SAME_SHARD.encode()), DeadLetterReason.KEY_MISMATCH),
    "a key that is no text": (_of(BOT, b"\xff\xfe"), DeadLetterReason.KEY_MISMATCH),
}


@pytest.mark.usefixtures("nothing_restarts")
@pytest.mark.parametrize("what", UNREADABLE)
def test_a_record_that_cannot_be_used_is_kept_and_trading_goes_on(venue: Venue, what: str) -> None:
    make, reason = UNREADABLE[what]
    value, key, headers = make(venue)
    at = venue.write(value, key, venue.shard(BOT), headers)
    letter = venue.letter(at)
    assert (letter.stage, letter.reason) == ("risk", reason)
    assert (letter.key, letter.value) == (key, value and value[:KEPT_BYTES])
    assert len(letter.detail) > 20
    venue.trade()


# Commands that may not be, or cannot be


def _signed(command: Callable[[str], Command], headers: Callable[[Venue, bytes], Headers]) -> Callable[[Venue], Record]:
    def make(venue: Venue) -> Record:
        made = command(venue.unique())
        value = venue.codec.encode(made)
        return value, made.account.encode(), headers(venue, value)

    return make


def _order(account: str = BOT, **changes: Any) -> Callable[[str], Command]:
    return lambda client_order_id: new_order(account, client_order_id, **changes)


def _by(account: str, key: str = KEY) -> Callable[[Venue, bytes], Headers]:
    return lambda venue, value: seal_headers(key, seal_ed25519(venue.keys[account], value))


def _by_gateway(venue: Venue, value: bytes) -> Headers:
    ((key, secret),) = parse_seal_secrets(venue.settings.secrets.gateway_seal_secrets).items()
    return seal_headers(key, seal_hmac(secret, value))


def _forged(venue: Venue, value: bytes) -> Headers:
    return seal_headers("gateway-1", seal_hmac(bytes(32), value))


def _of_another_value(venue: Venue, _: bytes) -> Headers:
    return _good(venue)[2]


def _of_the_gateway_for_another_value(venue: Venue, value: bytes) -> Headers:
    return _by_gateway(venue, value + b"\0")


REFUSED: dict[str, tuple[Callable[[Venue], Record], Reason]] = {
    "no seal": (_signed(_order(), lambda *_: ()), Reason.SEAL_MISSING),
    "a forged HMAC": (_signed(_order(), _forged), Reason.SEAL_INVALID),
    "the seal of another value": (_signed(_order(), _of_another_value), Reason.SEAL_INVALID),
    "the gateway's seal of another value": (
        _signed(_order(), _of_the_gateway_for_another_value),
        Reason.SEAL_INVALID,
    ),
    "another account's signature": (_signed(_order(), _by(SAME_SHARD)), Reason.SEAL_INVALID),
    "a key that nobody registered": (_signed(_order(), _by(BOT, "bots-2")), Reason.KEY_UNKNOWN),
    "an account without a key": (_signed(_order("bob"), _by(BOT)), Reason.KEY_UNKNOWN),
    "an unknown account": (_signed(_order(NOBODY), _by_gateway), Reason.ACCOUNT_UNKNOWN),
    "an unknown symbol": (_signed(_order(symbol="NO-SUCH"), _by(BOT)), Reason.SYMBOL_UNKNOWN),
    "a quantity of zero": (_signed(_order(quantity_e8=0), _by(BOT)), Reason.QUANTITY_NOT_POSITIVE),
    "a negative price": (_signed(_order(price_e8=-E8), _by(BOT)), Reason.PRICE_NOT_POSITIVE),
    "a price off the tick": (_signed(_order(price_e8=60_000 * E8 + 1), _by(BOT)), Reason.PRICE_OFF_TICK),
    "the largest of numbers": (_signed(_order(quantity_e8=INT64_MAX), _by(BOT)), Reason.QUANTITY_TOO_LARGE),
}


@pytest.mark.usefixtures("nothing_restarts")
@pytest.mark.parametrize("what", REFUSED)
def test_a_command_that_may_not_be_is_refused_with_its_code(venue: Venue, what: str) -> None:
    make, reason = REFUSED[what]
    value, key, headers = make(venue)
    answer = venue.answer(venue.write(value, key, venue.shard(key.decode()), headers))
    assert (answer.kind, answer.reason) == (ExecutionKind.REJECTED, reason)
    assert venue.orders(answer.client_order_id) == []
    venue.trade()


@pytest.mark.usefixtures("nothing_restarts")
def test_a_whole_record_that_is_sent_again_places_nothing(venue: Venue) -> None:
    value, key, headers = _good(venue)
    first = venue.answer(venue.write(value, key, venue.shard(BOT), headers))
    again = venue.answer(venue.write(value, key, venue.shard(BOT), headers))
    assert first.kind is ExecutionKind.NEW
    assert (again.kind, again.order_id, again.reason) == (
        ExecutionKind.STATUS,
        first.order_id,
        Reason.REPEATED_COMMAND,
    )
    assert len(venue.orders(first.client_order_id)) == 1
    venue.send(Command(CommandKind.CANCEL, BOT, order_id=first.order_id))


# Two clients of one account, and two accounts


def test_two_clients_with_one_client_order_id_place_one_order(venue: Venue) -> None:
    name = venue.unique()
    with ThreadPoolExecutor(2) as clients:
        answers = list(clients.map(lambda _: venue.place("alice", name), range(2)))
    assert [answer.status_code for answer in answers] == [200, 200]
    first, again = sorted((answer.json()["data"] for answer in answers), key=lambda data: str(data["kind"]))
    assert (first["kind"], again["kind"], again["reason"]) == ("new", "status", "REPEATED_COMMAND")
    assert first["order_id"] == again["order_id"]
    other = venue.place("alice", name, quantity="0.02").json()["data"]
    assert (other["kind"], other["reason"]) == ("rejected", "CLIENT_ORDER_ID_REUSED")
    assert len(venue.orders(name)) == 1


def test_anothers_order_cannot_be_told_from_one_that_does_not_exist(venue: Venue) -> None:
    order_id = int(venue.place("alice", venue.unique()).json()["data"]["order_id"])
    until(lambda: venue.get(f"/api/v1/orders/{order_id}").status_code == 200, "the order is in no row")
    shard, offset = split_id(order_id)
    nobodys = make_id(shard, offset + 1_000_000)
    assert _told(venue.cancel("bob", order_id)) == _told(venue.cancel("bob", nobodys))
    assert _told(venue.cancel("bob", order_id, wait_ms=0)) == _told(venue.cancel("bob", nobodys, wait_ms=0))
    path = "/api/v1/orders/"
    assert _told(venue.get(f"{path}{order_id}", "bob")) == _told(venue.get(f"{path}{nobodys}", "bob"))
    assert venue.cancel("alice", order_id).json()["data"]["kind"] == "cancelled"


def test_a_bot_cannot_tell_it_either(venue: Venue) -> None:
    order_id = venue.send(new_order(SAME_SHARD, venue.unique()))
    assert venue.answer(order_id).kind is ExecutionKind.NEW
    cancels = [Command(CommandKind.CANCEL, BOT, order_id=at) for at in (order_id, order_id + 1_000_000)]
    answers = [venue.answer(venue.send(cancel)) for cancel in cancels]
    assert answers[0].reason is Reason.ORDER_UNKNOWN
    assert _without_ids(answers[0]) == _without_ids(answers[1])
    own = venue.answer(venue.send(Command(CommandKind.CANCEL, SAME_SHARD, order_id=order_id)))
    assert own.kind is ExecutionKind.CANCELLED


def _told(answer: httpx.Response) -> tuple[int, Any]:
    """What an answer says, but for ids."""
    body = answer.json()
    body.pop("correlation_id", None)
    for name in ("order_id", "command_id"):
        body.get("data", {}).pop(name, None)
    return answer.status_code, body


def _without_ids(execution: Execution) -> tuple[Any, ...]:
    ids = {"execution_id", "order_id", "command_id", "ts_us", "command_us"}
    return tuple(getattr(execution, name) for name in execution.__struct_fields__ if name not in ids)


# The registry


@pytest.mark.usefixtures("nothing_restarts")
def test_a_registry_that_is_away_stops_nobody(venue: Venue) -> None:
    with venue.frozen("registry"):
        venue.trade()
        assert venue.ready().status_code == 200


def test_processes_that_start_without_the_registry_say_so_and_come_back_with_it(venue: Venue) -> None:
    killed = ("risk", "matching", "gateway")
    before, name = venue.pids(), venue.unique()
    logs = [venue.said_by(part) for part in killed]
    with venue.frozen("registry"):
        venue.kill(*killed)
        sentence = f"The schema registry at {venue.settings.schema_registry_url} does not answer"
        until(lambda: all(sentence in said() for said in logs), "not all of them say so")
        waiting = venue.send(new_order(BOT, name))
    answer = venue.answer(waiting)
    assert (answer.kind, len(venue.orders(name))) == (ExecutionKind.NEW, 1)
    venue.send(Command(CommandKind.CANCEL, BOT, order_id=answer.order_id))
    venue.until_ready()
    assert not [said() for said in logs if "Traceback" in said()]
    venue.trade()
    after = venue.pids()
    assert {part for part in before if after[part] != before[part]} == set(killed)


# The broker


def test_an_order_to_a_broker_that_hangs_is_answered_soon_and_placed_once(venue: Venue) -> None:
    name, gateway, said = venue.unique(), venue.pids()["gateway"], venue.said_by("gateway")
    with venue.frozen("kafka"):
        _assert_unavailable(venue, name)
        _assert_unavailable(venue, name)
    until(lambda: venue.place("alice", name).status_code == 200, "the order is not accepted")
    assert len(venue.orders(name)) == 1
    assert "Traceback" not in said()
    assert venue.pids()["gateway"] == gateway
    venue.trade()


def test_an_idle_gateway_notices_a_broker_that_hangs_and_its_return(venue: Venue) -> None:
    name, gateway, said = venue.unique(), venue.pids()["gateway"], venue.said_by("gateway")
    venue.until_ready()
    with venue.frozen("kafka"):
        until(lambda: _down(venue.ready(), "kafka", "stream"), "the gateway does not notice that Kafka hangs")
        assert _assert_unavailable(venue, name) == "SERVICE_UNAVAILABLE"
    venue.until_ready()
    venue.trade()
    assert venue.commands(name) == []
    assert "Traceback" not in said()
    assert venue.pids()["gateway"] == gateway


def _assert_unavailable(venue: Venue, client_order_id: str) -> str:
    """An order is answered soon that it was not placed, or that this is not known; which of them."""
    began_s = time.monotonic()
    answer = venue.place("alice", client_order_id)
    assert time.monotonic() - began_s < 5
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1"), answer.text
    error = answer.json()["error"]
    says = {"SERVICE_UNAVAILABLE": "nothing was done, try again", "OUTCOME_UNKNOWN": "the outcome is unknown"}
    assert says[error["code"]] in error["message"]
    return str(error["code"])


def _down(answer: httpx.Response, *names: str) -> bool:
    """Whether the gateway says that it is not ready, and for want of what."""
    states = answer.json()["data"]["dependencies"]
    is_told = answer.status_code == 503 and answer.headers["retry-after"] == "1"
    return is_told and all(states[name]["status"] == "down" for name in names)


# PostgreSQL


def test_reads_survive_a_killed_database(venue: Venue) -> None:
    gateway = venue.pids()["gateway"]
    order_id = int(venue.place("alice", venue.unique()).json()["data"]["order_id"])
    said = venue.said_by("gateway")
    with _reading(venue) as answers:
        venue.kill("postgres")
        placed = int(venue.place("alice", venue.unique()).json()["data"]["order_id"])
        until(lambda: _row(venue, order_id) == _row(venue, placed) == "new", "the rows do not come")
        assert "Traceback" not in said()
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert all(_is_ours(answer) for answer in answers)
    assert venue.pids()["gateway"] == gateway


def test_trading_goes_on_without_the_database(venue: Venue) -> None:
    gateway = venue.pids()["gateway"]
    said = venue.said_by("gateway")
    with venue.away("postgres"):
        for path in ("/api/v1/orders", "/api/v1/positions", "/api/v1/balances"):
            answer = venue.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert _is_ours(answer)
        until(lambda: _down(venue.ready(), "postgresql"), "the gateway does not say so")
        order_id = venue.trade()
        refused = [venue.login("bob") for _ in range(limits.LOGIN_FAILURES_PER_USER + 1)]
        assert {answer.status_code for answer in refused} == {503}
        assert all(map(_is_ours, refused))
    until(lambda: _row(venue, order_id) == "filled", f"order {order_id} is in no row")
    until(lambda: _logs_in(venue.login("bob")), "logins do not work again")
    assert "Traceback" not in said()
    assert venue.pids()["gateway"] == gateway


@pytest.mark.parametrize("how", ["away", "hung"])
def test_who_asks_for_rows_is_told_soon_and_books_go_on_without_the_database(venue: Venue, how: str) -> None:
    gateway, said = venue.pids()["gateway"], venue.said_by("gateway")
    until(lambda: not _is_refused(venue), "lists are refused before anything happens")
    with getattr(venue, how)("postgres"):
        until(lambda: _is_refused(venue) and _breaker(venue, "postgresql") == 2, "the breaker does not open")
        for path in ("/api/v1/orders", "/api/v1/balances", "/api/v1/executions", f"/api/v1/trades?symbol={SYMBOL}"):
            _assert_told_soon(lambda path=path: venue.get(path))
        for path in ("/api/v1/symbols", f"/api/v1/book/{SYMBOL}"):
            assert venue.get(path).status_code == 200
        until(lambda: _down(venue.ready(), "postgresql"), "the gateway does not say so")
        told = venue.ready().json()["data"]["dependencies"]["postgresql"]["meanwhile"]
        assert "books, symbols and the stream go on" in told
        order_id = venue.trade()
    until(lambda: _row(venue, order_id) == "filled", f"order {order_id} is in no row")
    venue.until_ready()
    until(lambda: not _is_refused(venue), "lists do not work again")
    assert _breaker(venue, "postgresql") == 0
    assert "Traceback" not in said()
    assert venue.pids()["gateway"] == gateway


def _assert_told_soon(ask: Callable[[], httpx.Response], *, in_budget: bool = True) -> None:
    """A machine that is busy gets a second more than the gateway takes; who asks too often is refused for that."""
    began_s = time.monotonic()
    answer = ask()
    assert time.monotonic() - began_s < 2
    told = answer.status_code, answer.json()["error"]["code"], answer.headers["retry-after"]
    assert told == (503, "SERVICE_UNAVAILABLE", "1") or (not in_budget and told == (429, "RATE_LIMITED", "1")), (
        answer.text
    )
    assert answer.json()["correlation_id"]


def _is_refused(venue: Venue) -> bool:
    """Lists have a breaker of their own, which opens when they are asked for."""
    return venue.get("/api/v1/orders").status_code == 503


def _breaker(venue: Venue, dependency: str) -> float:
    """How the metrics say that it stands: 0 closed, 1 half open, 2 open."""
    begins = f'tradsys_gateway_breaker_state{{dependency="{dependency}"}} '
    (line,) = (line for line in venue.rest.get("/metrics").text.splitlines() if line.startswith(begins))
    return float(line.removeprefix(begins))


def _row(venue: Venue, order_id: int) -> str | None:
    answer = venue.get(f"/api/v1/orders/{order_id}")
    assert answer.status_code in {200, 404, 503}, answer.text
    return str(answer.json()["data"]["status"]) if answer.status_code == 200 else None


def _is_ours(answer: httpx.Response) -> bool:
    body = answer.json()
    if answer.status_code == 503:
        return not body["success"] and body["error"]["code"] == "SERVICE_UNAVAILABLE" and bool(body["correlation_id"])
    return bool(body["success"])


@contextmanager
def _reading(venue: Venue) -> Iterator[list[httpx.Response]]:
    """Asks for orders, as often as its budget allows beside other reads, in a thread; the answers."""
    answers: list[httpx.Response] = []
    ends = threading.Event()

    def read() -> None:
        while not ends.wait(0.05):
            answers.append(venue.get("/api/v1/orders"))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield answers
    finally:
        ends.set()
        thread.join()


# Valkey


def test_who_is_logged_in_trades_on_without_valkey(venue: Venue) -> None:
    gateway = venue.pids()["gateway"]
    said = venue.said_by("gateway")
    with venue.away("valkey"):
        refused = venue.login("bob")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert _is_ours(refused)
        until(lambda: _down(venue.ready(), "valkey"), "the gateway does not say so")
        venue.trade()
    until(lambda: _logs_in(venue.login("bob")), "logins do not work again")
    venue.until_ready()
    venue.kill("valkey")
    until(lambda: _logs_in(venue.login("bob")), "logins do not work again")
    assert "Traceback" not in said()
    assert venue.pids()["gateway"] == gateway


def test_a_valkey_that_hangs_is_told_soon_and_who_is_logged_in_trades_on(venue: Venue) -> None:
    gateway, said = venue.pids()["gateway"], venue.said_by("gateway")
    until(lambda: _breaker(venue, "valkey") == 0, "the breaker is open before anything happens")
    with venue.frozen("valkey"):
        for _ in range(2 * limits.BREAKER_FAILURES):
            _assert_told_soon(lambda: venue.login("bob"), in_budget=False)
        until(lambda: _down(venue.ready(), "valkey"), "the gateway does not say so")
        venue.trade()
    until(lambda: _logs_in(venue.login("bob")), "logins do not work again")
    venue.until_ready()
    assert _breaker(venue, "valkey") == 0
    assert "Traceback" not in said()
    assert venue.pids()["gateway"] == gateway


def _logs_in(answer: httpx.Response) -> bool:
    """Who asks so often may be refused for that; and a busy machine's database may take too long to keep a session."""
    if answer.status_code == 200:
        return _is_ours(answer)
    code = answer.json()["error"]["code"]
    assert code in {"RATE_LIMITED", "SERVICE_UNAVAILABLE", "OUTCOME_UNKNOWN"}, answer.text
    return False
