"""Pairs of symbols over REST: what is written is answered, and what was decided meanwhile is told."""

from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError, KafkaException

from gateway import limits
from schemas.messages import Control, ControlKind, PairStatus
from schemas.units import E8

PAIR = {
    "symbol1": "BTC-USD",
    "symbol2": "ETH-USD",
    "ratio": "15.12345678",
    "status": "active",
    "z_score_threshold_entry": "2.5",
    "z_score_threshold_exit": "0",
    "lookback_period": 60,
    "notes": "majors",
}
PATH = "/api/v1/pairs"


@pytest.fixture
def admin(served: Any, make_symbol: Any) -> dict[str, str]:
    for name in ("ETH-USD", "LTC-USD"):
        served.symbols.apply(make_symbol(name))
    return served.bearer("root", "admin")  # type: ignore[no-any-return]


async def made(client: Any, admin: dict[str, str], **changes: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json=PAIR | changes, headers=admin)
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]  # type: ignore[no-any-return]


async def test_a_pair_is_a_record_in_the_log_and_answered_as_it_is_there(
    served: Any, client: Any, admin: dict[str, str]
) -> None:
    answer = await client.post(PATH, json=PAIR, headers=admin)
    pair = answer.json()["data"]
    assert answer.headers["location"] == f"{PATH}/{pair['pair_id']}"
    assert answer.headers["etag"] == '"1"'
    assert PAIR.items() <= pair.items()
    assert (pair["id"], pair["version"], pair["created_by"]) == ("1", 1, "root")
    assert pair["created_at"] == pair["updated_at"]
    (record,) = served.decided
    assert (record.kind, record.pair_id, record.pair_version) == (ControlKind.PAIR, pair["pair_id"], 1)
    assert (record.ratio_e8, record.z_score_threshold_entry_e8) == (1_512_345_678, 250_000_000)
    got = await client.get(f"{PATH}/{pair['pair_id']}", headers=served.bearer("eve", "viewer"))
    assert (got.json()["data"], got.headers["etag"]) == (pair, '"1"')


async def test_what_is_left_out_has_a_value(client: Any, admin: dict[str, str]) -> None:
    short = {name: PAIR[name] for name in ("symbol1", "symbol2", "status", "lookback_period")}
    pair = (await client.post(PATH, json=short, headers=admin)).json()["data"]
    assert (pair["ratio"], pair["z_score_threshold_entry"], pair["z_score_threshold_exit"]) == ("1", "2", "0.5")
    assert pair["notes"] == ""


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"symbol2": "BTC-USD"}, ["symbol2"]),
        ({"symbol1": "NO-SUCH", "ratio": "0"}, ["symbol1", "ratio"]),
        ({"ratio": "-1", "z_score_threshold_exit": "-0.5"}, ["ratio", "z_score_threshold_exit"]),
        ({"ratio": "0.123456789"}, ["ratio"]),
        ({"ratio": 1.5}, ["ratio"]),
        ({"z_score_threshold_exit": "2.5"}, ["z_score_threshold_exit"]),
        ({"lookback_period": 1, "status": "deleted"}, ["status", "lookback_period"]),
        ({"lookback_period": "60"}, ["lookback_period"]),
        ({"notes": "x" * 257}, ["notes"]),
        ({"notes": "a\0b"}, ["notes"]),
        ({"leverage": "2"}, ["leverage"]),
    ],
)
async def test_all_that_is_wrong_is_named(
    served: Any, client: Any, admin: dict[str, str], changes: dict[str, Any], fields: list[str]
) -> None:
    answer = await client.post(PATH, json=PAIR | changes, headers=admin)
    assert answer.status_code == 422
    assert [each["path"] for each in answer.json()["error"]["details"]] == fields
    assert not served.decided


async def test_a_change_names_the_version_that_it_changes(served: Any, client: Any, admin: dict[str, str]) -> None:
    pair = await made(client, admin)
    path = f"{PATH}/{pair['pair_id']}"
    body = PAIR | {"status": "inactive", "ratio": "2"}
    assert (await client.put(path, json=body, headers=admin)).status_code == 428
    for stale in ('"0"', "1", 'W/"1"'):
        assert (await client.put(path, json=body, headers=admin | {"if-match": stale})).status_code == 412
    answer = await client.put(path, json=body, headers=admin | {"if-match": '"7", "1"'})
    changed = answer.json()["data"]
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert (changed["status"], changed["ratio"], changed["version"]) == ("inactive", "2", 2)
    assert (changed["id"], changed["created_at"]) == (pair["id"], pair["created_at"])
    assert changed["updated_at"] > pair["updated_at"]
    assert (await client.put(path, json=body, headers=admin | {"if-match": '"1"'})).status_code == 412
    assert (await client.put(path, json=body, headers=admin | {"if-match": "*"})).status_code == 200
    assert len(served.decided) == 3


async def test_who_comes_second_in_the_log_is_told(served: Any, client: Any, admin: dict[str, str]) -> None:
    pair = await made(client, admin)
    theirs = msgspec.structs.replace(served.decided[0], control_id="theirs", pair_version=2, notes="theirs")
    served.others[2] = [theirs]
    path = f"{PATH}/{pair['pair_id']}"
    answer = await client.put(path, json=PAIR | {"notes": "mine"}, headers=admin | {"if-match": '"1"'})
    assert (answer.status_code, answer.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")
    got = await client.get(path, headers=admin)
    assert (got.json()["data"]["notes"], got.headers["etag"]) == ("theirs", '"2"')


async def test_a_pair_keeps_its_symbols(client: Any, admin: dict[str, str]) -> None:
    pair = await made(client, admin)
    body = PAIR | {"symbol2": "LTC-USD"}
    answer = await client.put(f"{PATH}/{pair['pair_id']}", json=body, headers=admin | {"if-match": "*"})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "symbol2")


async def test_a_pair_that_was_taken_away_is_not_there(served: Any, client: Any, admin: dict[str, str]) -> None:
    pair = await made(client, admin)
    path = f"{PATH}/{pair['pair_id']}"
    assert (await client.delete(path, headers=admin | {"if-match": '"2"'})).status_code == 412
    assert (await client.delete(path, headers=admin | {"if-match": '"1"'})).json()["data"] == {
        "pair_id": pair["pair_id"],
        "status": "deleted",
    }
    assert served.decided[-1].pair_status is PairStatus.DELETED
    for method in ("get", "delete"):
        assert (await client.request(method, path, headers=admin)).status_code == 404
    assert (await client.put(path, json=PAIR, headers=admin | {"if-match": "*"})).status_code == 404
    assert (await client.get(f"{path}/history", headers=admin)).status_code == 200
    assert (await client.get(f"{PATH}/nobody/history", headers=admin)).status_code == 404
    assert (await client.get(PATH, headers=admin)).json()["data"] == []
    assert (await made(client, admin))["id"] == "2"


async def test_lists_are_narrowed_and_come_in_pages_that_new_pairs_do_not_move(
    client: Any, admin: dict[str, str]
) -> None:
    for number in range(5):
        symbol = "LTC-USD" if number % 2 else "ETH-USD"
        await made(client, admin, symbol2=symbol, status="active" if number else "monitoring")

    async def listed(**query: Any) -> tuple[list[str], dict[str, int]]:
        body = (await client.get(PATH, params=query, headers=admin)).json()
        return [pair["id"] for pair in body["data"]], body["pagination"]

    assert await listed(page_size=2) == (["1", "2"], {"page": 1, "page_size": 2, "total": 5, "total_pages": 3})
    await made(client, admin)
    assert (await listed(page_size=2, page=2))[0] == ["3", "4"]
    assert (await listed(symbol="LTC-USD"))[0] == ["2", "4"]
    assert (await listed(symbol="BTC-USD", status="monitoring"))[0] == ["1"]
    for query in ({"status": "deleted"}, {"page_size": "101"}, {"symbol": "a b"}, {"page": "0"}):
        assert (await client.get(PATH, params=query, headers=admin)).status_code == 422


async def test_what_a_client_has_is_not_sent_again(client: Any, admin: dict[str, str]) -> None:
    pair = await made(client, admin)
    answer = await client.get(f"{PATH}/{pair['pair_id']}", headers=admin | {"if-none-match": '"1"'})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"1"')


async def test_pairs_have_a_limit(client: Any, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PAIRS_MAX", 1)
    pair = await made(client, admin)
    assert (await client.post(PATH, json=PAIR, headers=admin)).status_code == 429
    await client.delete(f"{PATH}/{pair['pair_id']}", headers=admin)
    await made(client, admin)


async def test_without_the_log_nothing_is_done(served: Any, client: Any, admin: dict[str, str]) -> None:
    served.log.error = RuntimeError("away")
    answer = await client.post(PATH, json=PAIR, headers=admin)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert not served.decided


async def test_a_log_that_does_not_say_is_told(
    served: Any, client: Any, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    served.decision_error = KafkaException(KafkaError(KafkaError._TIMED_OUT))
    answer = await client.post(PATH, json=PAIR, headers=admin)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "OUTCOME_UNKNOWN")
    served.decision_error = None
    monkeypatch.setattr(limits, "DECIDE_S", 0.05)
    monkeypatch.setattr(served.pairs, "apply_all", lambda _: None)
    monkeypatch.setattr(served.decisions, "apply_all", lambda _: None)
    answer = await client.post(PATH, json=PAIR, headers=admin)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "OUTCOME_UNKNOWN")


def test_the_first_of_a_version_counts_and_what_cannot_be_is_passed_over(served: Any) -> None:
    first = Control(
        kind=ControlKind.PAIR,
        control_id="first",
        pair_id="p",
        pair_version=1,
        symbol1="BTC-USD",
        symbol2="ETH-USD",
        ratio_e8=E8,
        pair_status=PairStatus.ACTIVE,
        z_score_threshold_entry_e8=2,
        z_score_threshold_exit_e8=1,
        lookback_period=60,
    )
    replace = msgspec.structs.replace
    served.pairs.apply_all(
        [
            replace(first, pair_version=0),
            replace(first, ratio_e8=0),
            first,
            replace(first, control_id="second"),
            replace(first, control_id="third", pair_version=3),
            replace(first, control_id="late", pair_version=2),
            replace(first, control_id="equal", pair_version=4, symbol2="BTC-USD"),
            replace(first, control_id="crossed", pair_version=4, z_score_threshold_exit_e8=2),
            replace(first, control_id="long", pair_version=4, lookback_period=10_001),
            replace(first, control_id="unknown", pair_version=4, pair_status=PairStatus.UNKNOWN),
        ]
    )
    (pair,) = served.pairs.all()
    assert (pair.number, pair.created.control_id, pair.newest.control_id) == (1, "first", "third")
