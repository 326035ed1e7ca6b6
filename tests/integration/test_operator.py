"""`tradsys symbols`, `accounts`, `limits`, `orders` and `kill`, as the operator types them, on a real log."""

import json
import os
import re
import secrets
import shlex
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from psycopg.conninfo import conninfo_to_dict

from schemas.messages import (
    AccountState,
    AccountStatus,
    Command,
    CommandKind,
    Control,
    OrderType,
    Reason,
    Side,
    Transfer,
    TransferKind,
)
from schemas.registry import connect
from schemas.units import E8
from stream_topology.provision import provision
from stream_topology.sharding import partition_of
from stream_topology.subjects import subjects
from tests.integration.typed import tradsys
from tradsys.audit.kafka_log import KafkaLog
from tradsys.demo.flow import ACCOUNTS
from tradsys.demo.memory import MemoryVenue
from workers.kernel.stage import Input
from workers.projections.fold import Rows
from workers.projections.writer import Writer
from workers.risk.core import RiskCore

SHARDS = 2
PASSWORD = "a password of these tests"
PAGE = Path(__file__).parents[2] / "docs" / "operating.md"


class Venue:
    """A log of its own, and a shell."""

    def __init__(self, stack: Any, home: Path) -> None:
        self.prefix = f"test-{secrets.token_hex(4)}."
        provision(stack.bootstrap, stack.registry_url, self.prefix, SHARDS)
        self.log = KafkaLog(stack.bootstrap, self.prefix, SHARDS)
        self.codec = connect(stack.registry_url, subjects(self.prefix))
        self.home = home
        self.environment = os.environ | {
            "KAFKA_BOOTSTRAP": stack.bootstrap,
            "SCHEMA_REGISTRY_URL": stack.registry_url,
            "TRADSYS_PREFIX": self.prefix,
            "TRADSYS_SHARDS": str(SHARDS),
            "COLUMNS": "300",
        }

    def type_in(self, *words: str) -> tuple[int, str]:
        """Exit code, and what is said; whoever asks for a password gets one."""
        done = tradsys(*words, "--home", str(self.home), environment=self.environment, typed=f"{PASSWORD}\n")
        return done.returncode, done.stdout + done.stderr

    def facts(self, *words: str) -> Any:
        code, said = self.type_in(*words, "--json")
        assert code == 0, said
        return json.loads(said)

    def rows(self, *words: str) -> list[list[str]]:
        """The words of each line that is said."""
        return [line.split() for line in self.type_in(*words)[1].splitlines()]

    def controls(self) -> list[list[bytes]]:
        """The records of each partition."""
        found: list[list[bytes]] = [[] for _ in range(SHARDS)]
        for record in self.log.records("control"):
            found[record.partition].append(record.value or b"")
        return found


def database_at(conninfo: str) -> dict[str, str]:
    """The names by which processes know a database."""
    named = conninfo_to_dict(conninfo)
    names = {"host": "DB_HOST", "port": "DB_PORT", "dbname": "DB_NAME", "user": "DB_USER", "password": "DB_PASSWORD"}
    return {environment: str(named[name]) for name, environment in names.items()}


@pytest.mark.timeout(400)  # each line is a process of its own
def test_the_page_on_operating_works_as_it_stands_there(stack: Any, database: str, tmp_path: Path) -> None:
    venue = Venue(stack, tmp_path)
    venue.environment |= database_at(database) | {"TOTP_KEYS": "ab" * 32}
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) > 5
    shown = {}
    for line in lines:
        code, shown[line] = venue.type_in(*shlex.split(line)[1:])
        assert code == 0, (line, shown[line])
    venue.environment["COLUMNS"] = "80"
    assert venue.rows("symbols") == [
        ["symbol", "status", "pair", "tick", "lot", "band", "maker", "fee", "taker", "fee"],
        ["BTC-USD", "halted", "BTC/USD", "0.01", "0.0001", "0.1", "0.0001", "0.0004"],
    ]
    assert venue.rows("accounts")[1:] == [["desk-1", "cash", "suspended"], ["desk-2", "margin", "active", "5"]]
    rules = venue.rows("symbols", "BTC-USD")
    assert rules[0] == ["BTC-USD"]
    assert all(row in rules for row in (["quantity", "max", "-"], ["reference", "price", "60000"], ["tick", "0.01"]))
    assert ["self", "trade", "prevention", "cancel_oldest"] in venue.rows("accounts", "desk-2")
    assert all(value in shown["tradsys limits desk-1"] for value in ("every", "100/10", "5000000", "2.5", "0.5"))
    assert "max leverage" not in shown["tradsys limits desk-1"]
    newest = [line.split() for line in shown["tradsys limits --history"].splitlines() if "leverage" in line]
    assert [line[-1] for line in newest] == ["3", "3"]


@pytest.fixture(scope="module")
def venue(stack: Any, tmp_path_factory: pytest.TempPathFactory) -> Venue:
    return Venue(stack, tmp_path_factory.mktemp("home"))


def test_a_symbol_is_made_shown_and_changed_without_losing_the_rest(venue: Venue) -> None:
    assert venue.facts("symbols") == {}
    made = venue.facts("symbols", "BTC-USD", "--tick", "0.01", "--lot", "0.001", "--taker-fee", "0.0004")
    assert made["BTC-USD"] | {"status": "trading", "base": "BTC", "quote": "USD"} == made["BTC-USD"]
    assert (made["BTC-USD"]["tick"], made["BTC-USD"]["lot"], made["BTC-USD"]["taker_fee"]) == (
        "0.01",
        "0.001",
        "0.0004",
    )
    for asked, margin in (("0.05", "0.05"), ("none", None)):
        said = venue.facts("symbols", "BTC-USD", "--maintenance-margin", asked)
        assert said == {"BTC-USD": made["BTC-USD"] | {"maintenance_margin": margin}}
    halted = venue.facts("symbols", "BTC-USD", "--status", "HALTED")
    assert halted == {"BTC-USD": made["BTC-USD"] | {"status": "halted"}}
    given = ("--order-types", "limit, Market", "--times-in-force", "gtc,ioc", "--max-open-orders", "5")
    narrow = venue.facts("symbols", "BTC-USD", *given)["BTC-USD"]
    said = {"order_types": "limit,market", "times_in_force": "gtc,ioc", "max_open_orders": 5}
    assert narrow == halted["BTC-USD"] | said
    assert venue.facts("symbols", "BTC-USD", "--order-types", "all")["BTC-USD"] == narrow | {"order_types": None}
    assert venue.facts("symbols", "BTC-USD", "--times-in-force", "all", "--max-open-orders", "none") == halted
    tiered = venue.facts("symbols", "BTC-USD", "--fee-tiers", "1000/0.0001/0.0003,5000.5/-0.0001/0.0002")
    assert tiered["BTC-USD"]["fee_tiers"] == "1000/0.0001/0.0003, 5000.5/-0.0001/0.0002"
    assert venue.facts("symbols", "BTC-USD", "--fee-tiers", "none") == halted
    assert venue.facts("symbols") == halted
    code, said = venue.type_in("symbols")
    assert (code, "BTC-USD" in said, "halted" in said) == (0, True, True)


def test_every_partition_holds_the_same_decisions(venue: Venue) -> None:
    first, second = venue.controls()
    assert first == second
    assert len(first) >= 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sessions", "--phase", "halted"), "Which symbol? Name it, or say --all."),
        (("sessions", "BTC-USD", "--at", "2099-01-01T00:00:00Z"), "--at goes with --phase or --withdraw."),
        (("sessions", "BTC-USD", "--phase", "closed", "--withdraw"), "Only one of --phase, --withdraw,"),
        (("sessions", "BTC-USD", "--phase", "closed", "--at", "noon"), "--at: 'noon' is not a time with its offset"),
        (("sessions", "BTC-USD", "--timetable", "09:00 auction", "--days", "0"), "--days is 0"),
        (("symbols", "BTC-USD", "--breaker", "0.1"), "--breaker is '0.1'; it must be as 0.1/300/60, or none."),
        (("symbols", "BTC-USD", "--order-types", "limit,good"), "order_types is 'LIMIT,GOOD': it must be some of"),
        (("symbols", "BTC-USD", "--fee-tiers", "5/0/0,1/0/0"), "fee_tiers names the volume 100000000 after 500000000"),
        (("symbols", "BTC-USD", "--fee-tiers", "5/0"), "it must be VOLUME/MAKER/TAKER"),
        (("symbols", "BTC-USD", "--max-open-orders", "1.5"), "--max-open-orders is '1.5'; it must be a whole number"),
        (("symbols", "--tick", "1"), "Which symbol? Name it before the options."),
        (("symbols", "NEW-USD"), "There is no symbol NEW-USD; there are BTC-USD."),
        (("symbols", "NEW-USD", "--tick", "1"), "NEW-USD is new: it needs at least a tick and a lot."),
        (("symbols", "NEW-USD", "--tick", "1e3", "--lot", "1"), "--tick: '1e3' is not a plain decimal number"),
        (("symbols", "NEW-USD", "--tick", "0", "--lot", "1"), "tick_e8 is 0: it must be positive"),
        (("symbols", "BTC-USD", "--status", "unknown"), "--status is 'unknown'; it must be one of trading, halted."),
        (("symbols", "BTC-USD", "--quote", "EUR"), "BTC-USD trades BTC for USD, it cannot become BTC for EUR"),
        (("accounts", "zoe", "--status", "active"), "zoe is new: it needs at least a kind."),
        (("accounts", "zoe", "--kind", "margin"), "a MARGIN account needs a positive one"),
        (("accounts", "zoe", "--deposit", "5", "USD"), "There is no account zoe; --kind makes it."),
        (("accounts", "zoe", "--kind", "cash", "--deposit", "5", "USD"), "A deposit is a decision of its own"),
        (("limits", "zoe"), "There is no account zoe; there are none."),
        (("limits", "--symbol", "NEW-USD"), "There is no symbol NEW-USD; there are BTC-USD."),
        (("limits", "--max-order-size", "-1"), "max_order_size_e8 is -100000000: it must not be negative"),
        (("limits", "--max-open-orders", "1.5"), "--max-open-orders is '1.5'; it must be a whole number, or none."),
        (
            ("limits", "--trade-frequency", "10"),
            "--trade-frequency is '10'; it must be orders in so many seconds, such as 100/10, or none.",
        ),
        (("limits", "--trade-frequency", "0/1"), "trade_frequency is 0: it must be at least 1"),
    ],
)
def test_what_cannot_be_decided_is_said_and_changes_nothing(venue: Venue, words: tuple[str, ...], said: str) -> None:
    before = venue.controls()
    code, answer = venue.type_in(*words)
    assert code != 0
    assert said in " ".join(answer.split())
    assert "Traceback" not in answer
    assert venue.controls() == before


def test_an_account_is_made_and_a_deposit_with_an_id_is_made_once(venue: Venue) -> None:
    made = venue.facts("accounts", "alice", "--kind", "cash", "--self-trade-prevention", "cancel_both")
    assert made["alice"] == {
        "kind": "cash",
        "status": "active",
        "loss": None,
        "leverage": None,
        "open_orders_max": None,
        "self_trade_prevention": "cancel_both",
        "strategies": None,
    }
    deposit = ("accounts", "alice", "--deposit", "1000.5", "USD", "--id", "wire-7")
    code, said = venue.type_in(*deposit)
    assert (code, "1000.5 USD of alice were paid in." in said) == (0, True)
    before = venue.controls()
    code, said = venue.type_in(*deposit)
    assert (code, "The decision wire-7 was made before; nothing was done." in said) == (0, True)
    venue.type_in("accounts", "alice", "--status", "suspended", "--id", "wire-7")
    assert (venue.controls(), venue.facts("accounts")["alice"]["status"]) == (before, "active")
    assert "0.5 USD of alice were paid out." in venue.type_in("accounts", "alice", "--deposit", "-0.5", "USD")[1]
    suspended = venue.facts("accounts", "alice", "--status", "suspended")
    assert suspended == {"alice": made["alice"] | {"status": "suspended"}}
    core = RiskCore(0, 1, seal_secrets={})
    for offset, value in enumerate(venue.controls()[0]):
        control = venue.codec.decode(value, "Control")
        assert isinstance(control, Control)
        core.apply(Input("control", 0, offset, 1, "", control, value))
    account = core._accounts["alice"]
    assert (account.balance("USD").total_e8, account.status) == (1_000 * E8, "SUSPENDED")


def test_a_transfer_says_what_became_of_it(venue: Venue) -> None:
    for name in ("kim", "tom"):
        venue.facts("accounts", name, "--kind", "cash")
    producer = Producer({"bootstrap.servers": venue.log.bootstrap})
    moved = {"from_account": "kim", "to_account": "tom", "currency": "USD", "amount_e8": 5 * E8, "ts_us": 1}
    gone = Transfer("kim", TransferKind.SENT, "move-1", reason=Reason.NONE, **moved)
    numbers = {"limit_e8": 3 * E8, "actual_e8": 5 * E8}
    refused = Transfer("kim", TransferKind.REFUSED, "move-2", reason=Reason.FUNDS_INSUFFICIENT, **moved, **numbers)
    for half in (gone, refused):
        producer.produce(f"{venue.prefix}transfers", venue.codec.encode(half), "kim", partition_of("kim", SHARDS))
    assert producer.flush(10) == 0
    typed = ("accounts", "kim", "--transfer", "5", "USD", "tom", "--id")
    for again in (False, True):
        code, said = venue.type_in(*typed, "move-1")
        assert (code, "kim gave tom 5 USD." in said, "was made before" in said) == (0, True, again)
    code, said = venue.type_in(*typed, "move-2")
    assert (code, "Refused: 3 USD is available, not 5." in said) == (1, True)
    control = venue.codec.decode(venue.controls()[1][-1], "Control")
    assert isinstance(control, Control)
    assert (control.account, control.to_account, control.currency, control.amount_e8) == ("kim", "tom", "USD", 5 * E8)
    code, said = venue.type_in("accounts", "kim", "--transfer", "5", "USD", "zoe")
    assert (code, "There is no account zoe." in said) == (1, True)


def test_limits_keep_what_is_not_said_and_show_who_changed_what(venue: Venue) -> None:
    venue.facts("accounts", "lea", "--kind", "cash")
    made = ("limits", "lea", "--symbol", "BTC-USD", "--max-order-size", "2", "--trade-frequency", "5/60")
    scope = {"account": "lea", "symbol": "BTC-USD"}
    assert venue.facts(*made) == [scope | {"max_order_size": "2", "trade_frequency": "5/60"}]
    venue.facts("limits", "--max-open-orders", "7", "--id", "seven")
    assert venue.type_in("limits", "--max-open-orders", "8", "--id", "seven")[0] == 0
    every = {"account": None, "symbol": None, "max_open_orders": 7}
    changed = venue.facts("limits", "lea", "--symbol", "BTC-USD", "--max-order-size", "none", "--max-leverage", "1.5")
    assert changed == [every, scope | {"max_leverage": "1.5", "trade_frequency": "5/60"}]
    assert venue.facts("limits", "lea") == changed
    history = venue.facts("limits", "lea", "--history")
    assert [(change["limit"], change["old"], change["new"]) for change in history] == [
        ("max_order_size", None, "2"),
        ("trade_frequency", None, "5/60"),
        ("max_open_orders", None, 7),
        ("max_order_size", "2", None),
        ("max_leverage", None, "1.5"),
    ]
    assert all(change["by"] and change["time"].endswith("Z") for change in history)
    code, said = venue.type_in("limits", "--max-open-orders", "none", "--trade-frequency", "none")
    assert (code, "max open orders" in said) == (0, False)


def test_a_loss_is_shown_and_ended_by_making_the_account_active(venue: Venue) -> None:
    venue.facts("accounts", "max", "--kind", "cash")
    producer = Producer({"bootstrap.servers": venue.log.bootstrap})
    numbers = {"limit_e8": 1000 * E8, "actual_e8": 1200 * E8}
    state = AccountState("max", 2, AccountStatus.REDUCING, Reason.DAILY_LOSS_LIMIT, 1, "USD", **numbers)
    producer.produce(f"{venue.prefix}accounts", venue.codec.encode(state), "max", partition_of("max", SHARDS))
    assert producer.flush(10) == 0
    facts = venue.facts("accounts", "max", "--open-orders-max", "5")["max"]
    assert (facts["status"], facts["loss"]) == ("reducing", "daily loss 1200 USD, limit 1000")
    newest = venue.codec.decode(venue.controls()[0][-1], "Control")
    assert isinstance(newest, Control)
    assert (newest.account_status, newest.resume) == ("ACTIVE", False)
    numbers = {"limit_e8": 320 * E8, "actual_e8": 200 * E8}
    state = AccountState("max", 3, AccountStatus.REDUCING, Reason.MARGIN_CALL, 1, "USD", **numbers)
    producer.produce(f"{venue.prefix}accounts", venue.codec.encode(state), "max", partition_of("max", SHARDS))
    assert producer.flush(10) == 0
    assert venue.facts("accounts", "max")["max"]["loss"] == "margin call: equity 200 USD, maintenance margin 320"
    venue.facts("accounts", "max", "--status", "active")
    newest = venue.codec.decode(venue.controls()[0][-1], "Control")
    assert isinstance(newest, Control)
    assert (newest.open_orders_max, newest.resume) == (5, True)


def test_what_is_no_decision_does_not_keep_the_operator_from_deciding(venue: Venue) -> None:
    producer = Producer({"bootstrap.servers": venue.log.bootstrap})
    for partition in range(SHARDS):
        producer.produce(f"{venue.prefix}control", b"not a decision", partition=partition)
    assert producer.flush(10) == 0
    assert venue.facts("symbols", "BTC-USD", "--status", "trading")["BTC-USD"]["status"] == "trading"


def test_a_kill_asks_first_and_says_what_it_stopped(venue: Venue) -> None:
    venue.facts("symbols", "ETH-USD", "--tick", "0.01", "--lot", "0.001")
    before = venue.controls()
    code, said = venue.type_in("kill", "symbol", "ETH-USD")
    assert (code, venue.controls()) == (1, before)
    code, said = venue.type_in("kill", "symbol", "DOGE-USD", "--yes")
    assert (code, "There is no symbol DOGE-USD; there are BTC-USD, ETH-USD." in said) == (1, True)
    assert venue.type_in("kill", "venue", "ETH-USD", "--yes")[0] == 2
    assert venue.controls() == before
    code, said = venue.type_in("kill", "venue", "--yes")
    assert (code, said.strip()) == (0, "Stopped: BTC-USD, ETH-USD.")
    newest = [venue.codec.decode(value, "Control") for value in venue.controls()[0][-2:]]
    assert all(isinstance(control, Control) and control.cancel_open for control in newest)
    assert {facts["status"] for facts in venue.facts("symbols").values()} == {"halted"}
    assert venue.type_in("kill", "symbol", "ETH-USD", "--reducing", "--yes")[0] == 2
    code, said = venue.type_in("kill", "venue", "--reducing", "--yes")
    assert code == 0, said
    assert "alice" in said
    assert {facts["status"] for facts in venue.facts("accounts").values()} == {"reducing"}
    assert venue.type_in("kill", "strategy", "alice", "--yes")[0] == 2
    code, said = venue.type_in("kill", "strategy", "alice", "trend", "--yes", "--reducing")
    assert (code, said.strip()) == (0, "Stopped: trend of alice.")
    venue.type_in("kill", "strategy", "alice", "pairs", "--yes")
    assert venue.facts("accounts", "alice")["alice"]["strategies"] == "pairs suspended, trend reducing"
    on = venue.facts("accounts", "alice", "--strategy", "pairs", "--status", "active")
    assert on["alice"]["strategies"] == "trend reducing"
    code, said = venue.type_in("accounts", "alice", "--strategy", "pairs", "--leverage", "5")
    assert (code, "--strategy goes with --status alone." in said) == (2, True)
    code, said = venue.type_in("kill", "account", "alice", "--yes")
    assert (code, venue.facts("accounts")["alice"]["status"]) == (0, "suspended")


@pytest.fixture
def traded(venue: Venue, database: str, monkeypatch: pytest.MonkeyPatch) -> Venue:
    """A bid is filled in part and cancelled, an order is refused, and one rests: the cores' executions, projected."""
    memory = MemoryVenue(shards=1)
    memory.open("run", 60_000 * E8)

    def ask(account: str, kind: CommandKind, client_order_id: str, **fields: Any) -> None:
        memory.send(Command(kind, account, client_order_id=client_order_id, **fields))
        memory.pipeline.log.now_us += 1_000
        memory.pipeline.run()

    def place(account: str, name: str, side: Side, quantity_e8: int) -> None:
        terms = {"side": side, "price_e8": 60_000 * E8, "quantity_e8": quantity_e8}
        ask(account, CommandKind.NEW, name, symbol="BTC-USD", order_type=OrderType.LIMIT, **terms)

    place(ACCOUNTS[0], "bid", Side.BUY, E8 // 10)
    place(ACCOUNTS[1], "offer", Side.SELL, E8 // 25)
    ask(ACCOUNTS[0], CommandKind.CANCEL, "bid")
    place(ACCOUNTS[0], "large", Side.BUY, 20_000 * E8)
    place(ACCOUNTS[1], "rests", Side.SELL, E8 // 10)
    rows = Rows()
    rows.fold("executions", memory.records("executions"), memory.codec)
    writer = Writer(database)
    writer.own([("t.executions", 0)])
    writer.write(rows, {("t.executions", 0): 1})
    writer.close()
    monkeypatch.setattr(venue, "environment", venue.environment | database_at(database) | {"COLUMNS": "80"})
    return venue


def test_orders_are_listed_newest_first_and_narrowed(traded: Venue) -> None:
    first, second = ACCOUNTS[:2]
    shown = [row[1:] for row in traded.rows("orders")]
    assert shown == [
        ["account", "symbol", "side", "quantity", "price", "filled", "status"],
        [second, "BTC-USD", "sell", "0.1", "60000", "0", "new"],
        [first, "BTC-USD", "buy", "20000", "60000", "0", "rejected"],
        [first, "BTC-USD", "buy", "0.1", "60000", "0.04", "cancelled"],
        [second, "BTC-USD", "sell", "0.04", "60000", "0.04", "filled"],
    ]
    assert [row[-1] for row in traded.rows("orders", "--status", "open")[1:]] == ["new"]
    assert [row[-1] for row in traded.rows("orders", "--status", "filled")[1:]] == ["filled"]
    assert [row[-1] for row in traded.rows("orders", "--account", first)[1:]] == ["rejected", "cancelled"]
    assert [row[-1] for row in traded.rows("orders", "--limit", "1")[1:]] == ["new"]
    assert traded.type_in("orders", "--symbol", "ETH-USD") == (0, "There are no such orders.\n")
    newest, *_ = json.loads(traded.type_in("orders", "--json")[1])
    assert (newest["client_order_id"], newest["status"], newest["leaves"]) == ("rests", "new", "0.1")


def test_one_order_shows_its_whole_life_and_why(traded: Venue) -> None:
    known = {order["client_order_id"]: order["order_id"] for order in json.loads(traded.type_in("orders", "--json")[1])}
    life = json.loads(traded.type_in("orders", known["bid"], "--json")[1])["executions"]
    assert [(each["kind"], each["leaves"], each["message"]) for each in life] == [
        ("new", "0.1", None),
        ("trade", "0.06", None),
        ("cancelled", "0", "The account cancelled it."),
    ]
    code, said = traded.type_in("orders", known["bid"])
    assert code == 0
    assert all(row in [line.split() for line in said.splitlines()] for row in (["symbol", "BTC-USD"], ["side", "buy"]))
    assert "The account cancelled it." in " ".join(said.split())
    sentence = "Quantity 20000 is above the largest of BTC-USD; nearest valid: 10000."
    assert json.loads(traded.type_in("orders", known["large"], "--json")[1])["executions"][0]["message"] == sentence


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("4711",), 1, "There is no order 4711 in the database."),
        (("one",), 2, "'one' is no order's id: that is a whole number."),
        (("--status", "resting"), 2, "--status is 'resting'; it must be one of open, new,"),
        (("5", "--account", "alice"), 2, "An order's id says which one: leave the other options out."),
    ],
)
def test_an_order_that_cannot_be_shown_is_said(traded: Venue, words: tuple[str, ...], code: int, said: str) -> None:
    ended, answer = traded.type_in("orders", *words)
    assert (ended, said in " ".join(answer.split()), "Traceback" in answer) == (code, True, False)


def test_a_database_that_is_away_is_said(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_PASSWORD": "x"}
    monkeypatch.setattr(venue, "environment", venue.environment | names)
    code, said = venue.type_in("orders")
    assert (code, said.startswith("tradsys: The database cannot be read: "), "Traceback" in said) == (1, True, False)
    monkeypatch.delitem(venue.environment, "DB_PASSWORD")
    assert venue.type_in("orders")[1].startswith("tradsys: DB_PASSWORD is not set")
