"""What admins decide over REST is what the operator's commands decide: the same records, checked alike."""

import asyncio
from datetime import UTC, datetime
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from gateway.auth.users import Listed, UserError
from schemas.messages import AccountStatus, Control, ControlKind, OrderType, Phase, SymbolStatus
from schemas.timetable import WEEKDAYS
from schemas.units import E8, make_id

ADMIN = "/api/v1/admin"
RULES = {"tick": "0.01", "lot": "0.0001"}


async def test_a_symbol_keeps_what_is_not_said_and_loses_what_is_null(served: Any, client: Any, ask: Any) -> None:
    change = {
        "price_band": "0.1",
        "breaker": {"move": "0.1", "window_s": 300, "halt_s": 60},
        "fee_tiers": [{"volume": "1000000", "maker_fee": "0", "taker_fee": "0.0002"}],
        "order_types": ["limit"],
        "max_open_orders": 7,
    }
    answer = await ask("PATCH", "/symbols/BTC-USD", change)
    data = answer.json()["data"]
    assert (data["tick"], data["maker_fee"], data["price_band"], data["order_types"]) == (
        "0.01",
        "0.001",
        "0.1",
        ["limit"],
    )
    (record,) = served.decided
    assert (record.kind, record.issued_by, record.base, record.quote) == (ControlKind.SYMBOL, "root", "BTC", "USD")
    assert (record.tick_e8, record.breaker_move_e8, record.breaker_halt_s) == (E8 // 100, E8 // 10, 60)
    assert (record.fee_tiers, record.open_orders_max) == (f"{1_000_000 * E8}/0/20000", 7)
    assert record.order_types == OrderType.LIMIT
    assert (data["decision_id"], data["position"]) == (record.control_id, str(make_id(0, 0)))
    await ask(
        "PATCH", "/symbols/BTC-USD", {"price_band": None, "breaker": None, "order_types": None, "fee_tiers": None}
    )
    record = served.decided[-1]
    assert (record.price_band_e8, record.breaker_window_s, record.order_types, record.fee_tiers) == (None,) * 4
    assert record.maker_fee_e8 == E8 // 1_000
    assert (await client.get("/api/v1/symbols")).json()["data"][0]["max_open_orders"] == 7
    halted = await ask("PATCH", "/symbols/BTC-USD", {"status": "halted"})
    assert halted.json()["data"]["status"] == "halted"


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/symbols/NEW-USD", {"tick": "1"}, 422, None),
        ("/symbols/NEW-USD", {"tick": "0", "lot": "1"}, 422, "tick"),
        ("/symbols/BTC-USD", {"tick": "1e3", "lot": "x"}, 422, "tick"),
        ("/symbols/BTC-USD", {"quote": "EUR"}, 422, None),
        ("/symbols/BTC-USD", {"order_types": ["good"]}, 422, "order_types"),
        ("/symbols/BTC-USD", {"tick_e8": 5}, 422, "tick_e8"),
        ("/symbols/BTC-USD", {"breaker": {"move": "0.1"}}, 422, "breaker.window_s"),
        ("/symbols/a b", RULES, 422, "symbol"),
        ("/accounts/zoe", {"status": "active"}, 422, None),
        ("/accounts/zoe", {"kind": "margin"}, 422, "leverage"),
        ("/accounts/bob", {"status": "gone"}, 422, "status"),
    ],
)
async def test_what_cannot_be_decided_is_said_and_changes_nothing(
    served: Any, ask: Any, path: str, body: Any, status: int, field: str | None
) -> None:
    answer = await ask("PATCH", path, body)
    assert answer.status_code == status, answer.text
    if field is not None:
        assert answer.json()["error"]["field"] == field
    assert not served.decided


async def test_changes_at_one_gateway_build_on_each_other(served: Any, ask: Any) -> None:
    await asyncio.gather(
        ask("PATCH", "/symbols/BTC-USD", {"maker_fee": "0.002"}),
        ask("POST", "/kill", {"what": "symbol", "name": "BTC-USD"}),
        ask("PATCH", "/symbols/BTC-USD", {"lot": "1"}),
    )
    holds = served.admin.decided.symbols["BTC-USD"]
    assert (holds.symbol_status, holds.maker_fee_e8, holds.lot_e8) == (SymbolStatus.HALTED, E8 // 500, E8)
    assert len(served.decided) == 3


async def test_who_has_not_read_all_decisions_decides_nothing(served: Any, ask: Any) -> None:
    served.is_current = False
    for method, path, body in (
        ("PATCH", "/symbols/NEW-USD", RULES),
        ("PATCH", "/accounts/zoe", {"status": "active"}),
        ("POST", "/kill", {"what": "symbol", "name": "NO-SUCH"}),
        ("POST", "/deposits", {"account": "zoe", "currency": "USD", "amount": "1"}),
    ):
        assert (await ask(method, path, body)).status_code == 503
    assert not served.decided


async def test_an_account_is_changed_and_listed(served: Any, ask: Any) -> None:
    answer = await ask("PATCH", "/accounts/bob", {"kind": "margin", "leverage": "3", "open_orders_max": 5})
    data = answer.json()["data"]
    assert (data["kind"], data["leverage"], data["open_orders_max"], data["status"]) == ("margin", "3", 5, "active")
    await ask("PATCH", "/accounts/bob", {"status": "active"})
    assert [record.resume for record in served.decided] == [False, True]
    listed = (await ask("GET", "/accounts?page_size=1&page=2")).json()
    assert ([each["account"] for each in listed["data"]], listed["pagination"]["total"]) == (["bob"], 2)


async def test_limits_are_replaced_and_shown_to_those_whom_they_hold_for(served: Any, client: Any, ask: Any) -> None:
    await ask("PUT", "/limits", {"max_order_size": "5"})
    await ask(
        "PUT", "/limits", {"account": "alice", "max_daily_loss": "100", "trade_frequency": 9, "trade_frequency_s": 1}
    )
    answer = await ask("PUT", "/limits", {"account": "alice", "max_drawdown": "0.2"})
    data = answer.json()["data"]
    assert (data["account"], data["max_drawdown"], data["max_daily_loss"], data["trade_frequency"]) == (
        *("alice", "0.2"),
        *(None, None),
    )
    assert len((await ask("GET", "/limits")).json()["data"]) == 2
    for account, expected in (("alice", [None, "alice"]), ("bob", [None])):
        own = await client.get("/api/v1/limits", headers=served.bearer(account))
        assert [limits["account"] for limits in own.json()["data"]] == expected
    assert (await ask("PUT", "/limits", {"account": "zoe"})).status_code == 404
    assert (await ask("PUT", "/limits", {"max_order_size": "-1"})).json()["error"]["field"] == "max_order_size"


async def test_funds_move_once_for_a_key(served: Any, ask: Any) -> None:
    funds = {"account": "alice", "currency": "USD", "amount": "10.5"}
    key = {"idempotency-key": "a-key-of-this-test"}
    first = await ask("POST", "/deposits", funds, **key)
    assert first.status_code == 201
    served.kept.values.clear()
    again = await ask("POST", "/deposits", funds, **key)
    assert (again.status_code, again.json()["data"]["position"]) == (201, None)
    assert again.json()["data"]["decision_id"] == first.json()["data"]["decision_id"]
    await ask("POST", "/withdrawals", funds)
    moved = await ask("POST", "/transfers", funds | {"to_account": "bob"})
    assert moved.status_code == 202
    found = [(record.kind, record.account, record.to_account, record.amount_e8) for record in served.decided]
    assert found == [
        (ControlKind.FUNDS, "alice", None, 1_050_000_000),
        (ControlKind.FUNDS, "alice", None, -1_050_000_000),
        (ControlKind.TRANSFER, "alice", "bob", 1_050_000_000),
    ]


@pytest.mark.parametrize(
    ("path", "changes", "status"),
    [
        ("/deposits", {"amount": "0"}, 422),
        ("/deposits", {"amount": "-1"}, 422),
        ("/withdrawals", {"amount": "1.123456789"}, 422),
        ("/deposits", {"account": "zoe"}, 404),
        ("/deposits", {"currency": "U$"}, 422),
        ("/transfers", {}, 422),
        ("/transfers", {"to_account": "zoe"}, 404),
        ("/transfers", {"to_account": "alice"}, 422),
    ],
)
async def test_funds_that_cannot_move_do_not(served: Any, ask: Any, path: str, changes: Any, status: int) -> None:
    funds = {"account": "alice", "currency": "USD", "amount": "10.5"}
    assert (await ask("POST", path, funds | changes)).status_code == status
    assert not served.decided


async def test_the_kill_switch_stops_what_is_named(served: Any, ask: Any) -> None:
    async def kill(**body: Any) -> Any:
        served.decided.clear()
        return await ask("POST", "/kill", body)

    answer = await kill(what="symbol", name="BTC-USD")
    assert answer.json()["data"]["stopped"] == ["BTC-USD"]
    (record,) = served.decided
    assert (record.symbol_status, record.cancel_open, record.tick_e8) == (SymbolStatus.HALTED, True, E8 // 100)
    await kill(what="account", name="bob", reducing=True)
    (record,) = served.decided
    assert (record.account, record.account_status, record.cancel_open) == ("bob", AccountStatus.REDUCING, True)
    await kill(what="strategy", name="bob", strategy="trend")
    (record,) = served.decided
    assert (record.kind, record.strategy, record.account_status) == (
        *(ControlKind.STRATEGY, "trend"),
        AccountStatus.SUSPENDED,
    )
    await kill(what="venue")
    assert [record.symbol for record in served.decided] == ["BTC-USD"]
    await kill(what="venue", reducing=True)
    assert [record.account for record in served.decided] == ["alice", "bob"]
    for wrong, status in (
        ({"what": "symbol"}, 422),
        ({"what": "venue", "name": "BTC-USD"}, 422),
        ({"what": "symbol", "name": "NO-SUCH"}, 404),
        ({"what": "symbol", "name": "BTC-USD", "reducing": True}, 422),
        ({"what": "strategy", "name": "bob"}, 422),
    ):
        assert (await kill(**wrong)).status_code == status
        assert not served.decided


async def test_sessions_are_set_planned_and_withdrawn(served: Any, ask: Any) -> None:
    path = "/symbols/BTC-USD/sessions"
    planned = await ask("POST", path, {"phase": "closed", "at": "2090-01-31T17:30:00Z"})
    assert planned.json()["data"]["planned"] == [{"at": "2090-01-31T17:30:00.000000Z", "phase": "closed"}]
    assert (await ask("POST", path, {})).json()["data"]["planned"] == []
    await ask("POST", path, {"phase": "auction"})
    assert [(record.phase, record.effective_us is None) for record in served.decided] == [
        *((Phase.CLOSED, False), (None, True)),
        (Phase.AUCTION, True),
    ]
    assert (await ask("POST", path, {"phase": "auction", "at": "2090-01-31T17:30:00"})).status_code == 422
    assert (await ask("POST", "/symbols/NO-SUCH/sessions", {"phase": "auction"})).status_code == 404


async def test_a_timetable_is_planned_shown_and_made_once(served: Any, ask: Any) -> None:
    path = "/symbols/BTC-USD/timetable"
    week = {
        "timetable": [{"at": "09:00", "phase": "auction"}, {"at": "17:30:30", "phase": "closed"}],
        "zone": "Europe/Berlin",
        "days": 3,
        "weekdays": ["mon", "wed"],
    }
    key = {"idempotency-key": "a-key-of-this-test"}
    planned = (await ask("POST", path, week, **key)).json()["data"]
    assert [step["phase"] for step in planned["planned"]] == ["auction", "closed"] * 3
    moments = [datetime.fromisoformat(step["at"]).astimezone(ZoneInfo("Europe/Berlin")) for step in planned["planned"]]
    assert {moment.time().isoformat() for moment in moments} == {"09:00:00", "17:30:30"}
    assert {moment.weekday() for moment in moments} == {0, 2}
    assert moments == sorted(moments)
    assert moments[0] > datetime.now(UTC)
    served.kept.values.clear()
    assert (await ask("POST", path, week, **key)).json()["data"]["position"] is None
    assert [record.effective_us for record in served.decided] == [int(m.timestamp()) * 1_000_000 for m in moments]
    assert len({record.control_id for record in served.decided}) == 6
    left_out = week | {"holidays": [moments[0].date().isoformat()], "days": 1}
    await ask("POST", "/symbols/BTC-USD/sessions", {})
    shown = (await ask("POST", path, left_out)).json()["data"]["planned"]
    assert [step["at"] for step in shown] == [step["at"] for step in planned["planned"][2:4]]
    listed = await ask("GET", "/symbols/BTC-USD/sessions")
    assert listed.json()["data"] == {"symbol": "BTC-USD", "planned": shown}
    assert (await ask("GET", "/sessions")).json()["data"] == [{"symbol": "BTC-USD", "next": shown[0]}]
    assert (await ask("GET", "/symbols/NO-SUCH/sessions")).status_code == 404


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"timetable": []}, "timetable: "),
        ({"timetable": [{"at": "9:00", "phase": "auction"}]}, "timetable: '9:00' is not a time of day"),
        ({"timetable": [{"at": "09:00", "phase": "auction"}] * 2}, "timetable: each time must be after the one before"),
        ({"timetable": [{"at": "09:00", "phase": "open"}]}, "timetable.0.phase: "),
        ({"timetable": [{"at": f"09:{minute}", "phase": "auction"} for minute in range(10, 31)]}, "timetable: "),
        ({"zone": "Mars/Olympus"}, "zone: there is no time zone"),
        ({"weekdays": []}, "weekdays: "),
        ({"holidays": ["tomorrow"]}, "holidays.0: "),
        ({"holidays": [0]}, "holidays.0: "),
        ({"holidays": ["20300131"]}, "holidays.0: "),
        ({"days": 0}, "days: "),
        ({"days": 1_000, "weekdays": list(WEEKDAYS)}, "BTC-USD would have 3000 changes planned; 2000 are the most."),
    ],
)
async def test_what_is_no_timetable_is_said_and_plans_nothing(served: Any, ask: Any, change: Any, said: str) -> None:
    day = [{"at": f"0{hour}:00", "phase": "auction"} for hour in range(3)]
    answer = await ask("POST", "/symbols/BTC-USD/timetable", {"timetable": day} | change)
    assert answer.status_code == 422
    assert said in answer.json()["error"]["message"]
    assert not served.decided


async def test_every_symbol_is_halted_at_once(served: Any, ask: Any) -> None:
    await ask("PATCH", "/symbols/ETH-USD", RULES)
    served.decided.clear()
    halted = await ask("POST", "/sessions", {"phase": "halted"})
    assert halted.json()["data"]["symbols"] == ["BTC-USD", "ETH-USD"]
    assert [(record.symbol, record.phase, record.effective_us) for record in served.decided] == [
        ("BTC-USD", Phase.HALTED, None),
        ("ETH-USD", Phase.HALTED, None),
    ]
    served.admin.decided.symbols.clear()
    assert (await ask("POST", "/sessions", {"phase": "halted"})).status_code == 422


async def test_a_strategy_is_stopped_shown_and_goes_on(served: Any, ask: Any) -> None:
    trend = {"account": "bob", "strategy": "trend"}
    await ask("POST", "/kill", {"what": "strategy", "name": "bob", "strategy": "trend"})
    await ask("PUT", "/strategies", {"account": "alice", "strategy": "a/b c", "status": "reducing"})
    told = await ask("PUT", "/strategies", trend | {"status": "active"})
    assert told.json()["data"].items() >= (trend | {"status": "active"}).items()
    assert [(record.account_status, record.cancel_open) for record in served.decided] == [
        (AccountStatus.SUSPENDED, True),
        (AccountStatus.REDUCING, False),
        (AccountStatus.ACTIVE, False),
    ]
    listed = (await ask("GET", "/strategies")).json()
    assert [(each["account"], each["strategy"], each["status"]) for each in listed["data"]] == [
        ("alice", "a/b c", "reducing"),
        ("bob", "trend", "active"),
    ]
    assert listed["pagination"]["total"] == 2
    assert (await ask("GET", "/strategies?account=bob")).json()["data"] == [trend | {"status": "active"}]
    for wrong, status in (({"account": "zoe"}, 404), ({"status": "killed"}, 422), ({"strategy": "naïve"}, 422)):
        assert (await ask("PUT", "/strategies", trend | {"status": "active"} | wrong)).status_code == status


async def test_users_are_made_listed_and_changed(served: Any, ask: Any) -> None:
    served.database.answers = [[Listed("bob", "desk", "trader", 1, None, 2, 3, needs_code=True)]]
    (bob,) = (await ask("GET", "/users")).json()["data"]
    assert (bob["role"], bob["sessions"], bob["api_keys"], bob["disabled_time"]) == ("trader", 2, 3, None)
    assert bob["totp"] is True
    new = {"username": "carol", "password": "a long one of hers", "role": "trader"}
    made = await ask("POST", "/users", new)
    assert (made.status_code, made.json()["data"]) == (201, {"username": "carol", "account": "carol", "role": "trader"})
    assert (await ask("PATCH", "/users/bob", {"disabled": True})).json()["data"] == {
        "username": "bob",
        "disabled": True,
    }
    for path, body, status in (
        ("/users/root", {"role": "viewer"}, 409),
        ("/users/bob", {}, 422),
        ("/users/bob", {"role": "viewer", "disabled": True}, 422),
        ("/users/bob", {"role": "owner"}, 422),
    ):
        assert (await ask("PATCH", path, body)).status_code == status
    served.database.error = UserError("There is no user bob.")
    assert (await ask("PATCH", "/users/bob", {"role": "viewer"})).status_code == 404
    served.database.error = UserError("There is a user carol already.")
    assert (await ask("POST", "/users", new)).status_code == 409


async def test_a_key_makes_and_changes_no_users(served: Any, client: Any) -> None:
    row = SimpleNamespace(
        key_id="0" * 16, username="root", account="root", role="admin", scopes="admin read trade", addresses=""
    )
    served.database.answers = [[row], []]
    headers = {"authorization": f"Bearer tsk_{'0' * 16}_{'0' * 64}"}
    assert (await client.get(f"{ADMIN}/users", headers=headers)).status_code == 200
    new = {"username": "carol", "password": "a long one of hers", "role": "admin"}
    for method, path, body in (("POST", "/users", new), ("PATCH", "/users/bob", {"role": "admin"})):
        answer = await client.request(method, ADMIN + path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")


async def test_admins_are_heard_from_listed_addresses_only(served: Any, client: Any) -> None:
    served.gateway._door.callers._admin_networks = (ip_network("10.0.0.0/8"),)
    headers = served.bearer("root", "admin")
    for method, path in (("GET", "/accounts"), ("POST", "/kill"), ("GET", "/users"), ("POST", "/users")):
        answer = await client.request(method, ADMIN + path, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert (await client.get("/api/v1/limits", headers=headers)).status_code == 200


def test_what_others_decided_counts_once_and_what_cannot_be_does_not(served: Any) -> None:
    account = Control(ControlKind.LIMITS, "c1", max_open_orders=5)
    served.admin.apply_all(
        [account, replace(account, max_open_orders=6), replace(account, control_id="c2", max_open_orders=-1)]
    )
    assert served.admin.decided.limits["", ""].max_open_orders == 5
