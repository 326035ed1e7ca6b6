"""A POST that is sent again with its Idempotency-Key is done once."""

import asyncio
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from valkey.exceptions import ConnectionError as ValkeyConnectionError

from gateway import limits
from gateway.errors import ApiError, Code

KEY = {"idempotency-key": "5f0cbd0e-6c1f-4c1e-9a53-0c2d8c1f0e11"}
JSON = {"content-type": "application/json"}
SIGNING = {"key_id": "bot-1", "public_key": "ab" * 32}
PATH = "/api/v1/signing-keys"
PAIR = {"symbol1": "BTC-USD", "symbol2": "ETH-USD", "status": "active", "lookback_period": 60}
ROW = SimpleNamespace(key_id="0", name="a", scopes="read", addresses="", created_us=1)


async def post(client: Any, path: str, body: Any, **headers: Any) -> Any:
    return await client.post(path, json=body, headers=headers)


async def test_the_second_answer_is_the_first_again(served: Any, client: Any) -> None:
    alice = served.bearer() | KEY
    first = await post(client, PATH, SIGNING, **alice)
    again = await post(client, PATH, SIGNING, **alice)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert again.headers["x-correlation-id"] != first.headers["x-correlation-id"]
    assert set(first.headers) | {"idempotency-replayed"} == set(again.headers)
    assert len(served.decided) == 1
    assert served.kept.seconds == [limits.IDEMPOTENCY_PENDING_S, limits.IDEMPOTENCY_S]


async def test_other_content_is_refused_and_other_users_are_others(served: Any, client: Any) -> None:
    await post(client, PATH, SIGNING, **served.bearer(), **KEY)
    other = await post(client, PATH, SIGNING | {"key_id": "bot-2"}, **served.bearer(), **KEY)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "CONFLICT")
    elsewhere = await post(client, "/api/v1/api-keys", SIGNING, **served.bearer(), **KEY)
    assert elsewhere.status_code == 409
    assert (await post(client, PATH, SIGNING, **served.bearer("bob"), **KEY)).status_code == 201
    assert len(served.decided) == 2


async def test_an_answer_is_told_to_the_session_or_key_that_asked_only(served: Any, client: Any) -> None:
    assert (await post(client, PATH, SIGNING, **served.bearer(), **KEY)).status_code == 201
    token, _ = served.tokens.issue("alice", "alice", "viewer", "another session")
    other = await post(client, PATH, SIGNING, authorization=f"Bearer {token}", **KEY)
    assert (other.status_code, "idempotency-replayed" in other.headers) == (403, False)


async def test_while_the_first_is_under_way_the_second_is_told(served: Any, client: Any) -> None:
    answers = await asyncio.gather(*(post(client, PATH, SIGNING, **served.bearer(), **KEY) for _ in range(5)))
    told = sorted(answer.status_code for answer in answers)
    assert told.count(201) >= 1
    assert set(told) <= {201, 409}
    assert all(answer.headers.get("retry-after") == "1" for answer in answers if answer.status_code == 409)
    assert len(served.decided) == 1


async def test_what_did_nothing_may_be_mended_and_sent_again(served: Any, client: Any) -> None:
    assert (await post(client, PATH, {"key_id": "bot-1"}, **served.bearer(), **KEY)).status_code == 422
    assert (await client.post(PATH, content=b"{", headers=served.bearer() | KEY | JSON)).status_code == 400
    served.is_current = False
    assert (await post(client, PATH, SIGNING, **served.bearer(), **KEY)).status_code == 503
    served.is_current = True
    assert (await post(client, PATH, SIGNING, **served.bearer(), **KEY)).status_code == 201


async def test_what_may_have_been_done_is_not_done_again(served: Any, client: Any) -> None:
    new = {"name": "a", "scopes": ["read"]}
    for error in (ApiError(Code.OUTCOME_UNKNOWN, "The database was lost."), RuntimeError("a bug")):
        served.kept.values.clear()
        served.database.error = error
        first = await post(client, "/api/v1/api-keys", new, **served.bearer(), **KEY)
        assert first.status_code == (503 if isinstance(error, ApiError) else 500)
        served.database.error, served.database.answers = None, [[], [(0, 0)], [ROW]]
        for body, status, code in ((new, 503, "OUTCOME_UNKNOWN"), (new | {"name": "b"}, 409, "CONFLICT")):
            again = await post(client, "/api/v1/api-keys", body, **served.bearer(), **KEY)
            assert (again.status_code, again.json()["error"]["code"]) == (status, code)
    assert served.kept.seconds[-1] == limits.IDEMPOTENCY_S


async def test_a_decision_of_unknown_outcome_may_be_asked_again(served: Any, client: Any, make_symbol: Any) -> None:
    served.symbols.apply(make_symbol("ETH-USD"))
    root = served.bearer("root", "admin") | KEY
    served.decision_error = KafkaException(KafkaError(KafkaError._TIMED_OUT))
    assert (await post(client, "/api/v1/pairs", PAIR, **root)).json()["error"]["code"] == "OUTCOME_UNKNOWN"
    served.decision_error = None
    assert (await post(client, "/api/v1/pairs", PAIR, **root)).status_code == 201


async def test_who_may_not_ask_any_more_is_not_told_the_answer(
    served: Any, client: Any, make_symbol: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.symbols.apply(make_symbol("ETH-USD"))
    root = served.bearer("root", "admin") | KEY
    assert (await post(client, "/api/v1/pairs", PAIR, **root)).status_code == 201
    token, _ = served.tokens.issue("root", "root", "trader", "session of root")
    less = await post(client, "/api/v1/pairs", PAIR, authorization=f"Bearer {token}", **KEY)
    monkeypatch.setattr(served.gateway._door.callers, "_admin_networks", (ip_network("10.0.0.0/8"),))
    elsewhere = await post(client, "/api/v1/pairs", PAIR, **root)
    assert (less.status_code, elsewhere.status_code) == (403, 403)


async def test_a_secret_is_not_kept_in_the_clear(served: Any, client: Any) -> None:
    served.database.answers = [[], [(0, 0)], [ROW]]
    new = {"name": "a", "scopes": ["read"]}
    first = await post(client, "/api/v1/api-keys", new, **served.bearer(), **KEY)
    assert (await post(client, "/api/v1/api-keys", new, **served.bearer(), **KEY)).json() == first.json()
    secret = first.json()["data"]["key"].encode()
    assert secret.startswith(b"tsk_")
    kept = b"".join(served.kept.values.values())
    assert len(kept) > 100
    assert secret not in kept
    assert KEY["idempotency-key"].encode() not in kept


async def test_without_the_store_nothing_is_done(served: Any, client: Any) -> None:
    served.kept.error = ValkeyConnectionError("away")
    answer = await post(client, PATH, SIGNING, **served.bearer(), **KEY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert not served.decided
    assert (await post(client, PATH, SIGNING, **served.bearer())).status_code == 201


async def test_a_decision_is_made_once_even_where_its_answer_was_lost(
    served: Any, client: Any, make_symbol: Any
) -> None:
    served.symbols.apply(make_symbol("ETH-USD"))
    root = served.bearer("root", "admin") | KEY
    first = await post(client, "/api/v1/pairs", PAIR, **root)
    served.kept.values.clear()
    again = await post(client, "/api/v1/pairs", PAIR, **root)
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(served.decided) == 1


@pytest.mark.parametrize("key", ["short", "x" * 129, "with a space in it"])
async def test_a_key_that_cannot_be_is_refused(served: Any, client: Any, key: str) -> None:
    answer = await post(client, PATH, SIGNING, **served.bearer() | {"idempotency-key": key})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "Idempotency-Key")


@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/orders/batch", "/auth/refresh"])
async def test_where_it_is_not_heeded_it_is_refused(served: Any, client: Any, path: str) -> None:
    answer = await post(client, path, {}, **served.bearer(), **KEY)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "Idempotency-Key")
    assert not served.log.commands


async def test_who_is_not_known_is_told_so(client: Any) -> None:
    assert (await post(client, PATH, SIGNING, **KEY)).status_code == 401
