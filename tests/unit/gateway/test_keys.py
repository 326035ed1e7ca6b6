"""API keys as the gateway remembers them: from where, for what and until when. Signing keys as the log has them."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from msgspec.structs import replace

from gateway import limits
from gateway.auth.keys import ApiKeys
from gateway.auth.revocations import Revocations
from gateway.errors import ApiError, Code, unavailable
from gateway.rights import Right
from schemas.messages import Control, ControlKind

US = 1_000_000


class StandInDatabase:
    """Has one key after another, and counts who asks."""

    def __init__(self) -> None:
        self.asked = 0
        self.row: Any = row()
        self.error: ApiError | None = None
        self.goes_on: asyncio.Event | None = None

    async def rows(self, _statement: Any) -> list[Any]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        if self.goes_on is not None:
            await self.goes_on.wait()
        return [] if self.row is None else [self.row]


def row(**changed: Any) -> Any:
    whole = {
        "key_id": "0" * 16,
        "username": "alice",
        "account": "account-1",
        "role": "trader",
        "scopes": "read trade",
        "addresses": "",
    }
    return SimpleNamespace(**(whole | changed))


def key(number: int = 0) -> str:
    return f"tsk_{'0' * 16}_{number:064x}"


@pytest.fixture
async def revocations() -> Revocations:
    made = Revocations(60)
    nothing = StandInDatabase()
    nothing.row = None
    await made.look(nothing)  # type: ignore[arg-type] # it has what is used
    return made


@pytest.fixture
def database() -> StandInDatabase:
    return StandInDatabase()


@pytest.fixture
def keys(database: StandInDatabase, revocations: Revocations) -> ApiKeys:
    return ApiKeys(database, revocations)  # type: ignore[arg-type] # it has what is used


async def refused(asked: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await asked
    return caught.value


async def test_a_key_is_looked_up_once(keys: ApiKeys, database: StandInDatabase) -> None:
    for _ in range(3):
        identity = await keys.identity(key(), "10.0.0.1")
    assert database.asked == 1
    assert (identity.account, identity.rights, identity.expires_s) == ("account-1", {Right.READ, Right.TRADE}, None)


@pytest.mark.parametrize(
    ("role", "scopes", "rights"),
    [
        ("viewer", "read trade admin", {Right.READ}),
        ("trader", "read", {Right.READ}),
        ("admin", "admin trade", {Right.ADMIN, Right.TRADE}),
    ],
)
async def test_a_key_can_do_what_it_was_given_and_its_user_may(
    keys: ApiKeys, database: StandInDatabase, role: str, scopes: str, rights: set[Right]
) -> None:
    database.row = row(role=role, scopes=scopes)
    assert (await keys.identity(key(), "10.0.0.1")).rights == rights


async def test_a_key_is_good_from_its_addresses_only(keys: ApiKeys, database: StandInDatabase) -> None:
    database.row = row(addresses="10.0.0.0/24 2001:db8::1/128")
    for _ in range(2):
        for address in ("10.0.0.1", "10.0.0.255", "2001:db8::1"):
            assert (await keys.identity(key(), address)).username == "alice"
        for address in ("10.0.1.0", "2001:db8::2", "unknown", ""):
            assert (await refused(keys.identity(key(), address))).code is Code.FORBIDDEN


async def test_a_revoked_key_is_never_good_again(
    keys: ApiKeys, database: StandInDatabase, revocations: Revocations
) -> None:
    await keys.identity(key(), "10.0.0.1")
    revocations.take([("0" * 16, 100 * US)])
    assert (await refused(keys.identity(key(), "10.0.0.1"))).code is Code.UNAUTHORIZED
    revocations.take([("another", 1_000 * US)])  # the first is forgotten now
    database.row = None
    assert (await refused(keys.identity(key(), "10.0.0.1"))).code is Code.UNAUTHORIZED


@pytest.mark.parametrize("text", ["tsk_", "tsk_0_1", key()[:-1], key() + "0", key().replace("0", "g"), key() + "\n"])
async def test_what_is_no_key_is_refused_without_a_query(keys: ApiKeys, database: StandInDatabase, text: str) -> None:
    assert (await refused(keys.identity(text, "10.0.0.1"))).code is Code.UNAUTHORIZED
    assert database.asked == 0


async def test_a_wrong_key_is_looked_up_once(keys: ApiKeys, database: StandInDatabase) -> None:
    database.row = None
    for _ in range(limits.API_KEY_FAILURES_PER_ADDRESS + 1):
        assert (await refused(keys.identity(key(), "10.0.0.1"))).code is Code.UNAUTHORIZED
    assert database.asked == 1


async def test_an_address_with_too_many_wrong_keys_keeps_nobody_else_out(
    keys: ApiKeys, database: StandInDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = 0
    monkeypatch.setattr(keys._lookups._failures, "_clock_ms", lambda: now_ms)
    for number in range(2 * limits.API_KEY_FAILURES_PER_ADDRESS):
        await keys.identity(key(number), "2001:db8::1")  # right ones do not count
    database.row = None
    for number in range(1_000, 1_000 + limits.API_KEY_FAILURES_PER_ADDRESS):
        host = f"2001:db8::{number}"  # of one customer
        assert (await refused(keys.identity(key(number), host))).code is Code.UNAUTHORIZED
    asked = database.asked
    error = await refused(keys.identity(key(2_000), "2001:db8::1"))
    assert (error.code, database.asked) == (Code.RATE_LIMITED, asked)
    assert 0 < int(error.headers["retry-after"]) <= 2 * limits.LOGIN_WINDOW_S
    assert (await keys.identity(key(0), "2001:db8::1")).username == "alice"
    database.row = row()
    assert (await keys.identity(key(3_000), "10.0.0.1")).username == "alice"
    now_ms = 2_000 * limits.LOGIN_WINDOW_S
    assert (await keys.identity(key(2_000), "2001:db8::1")).username == "alice"


async def test_an_outage_counts_no_wrong_keys(keys: ApiKeys, database: StandInDatabase) -> None:
    database.error = unavailable("The database")
    for number in range(2 * limits.API_KEY_FAILURES_PER_ADDRESS):
        assert (await refused(keys.identity(key(number), "10.0.0.1"))).code is Code.SERVICE_UNAVAILABLE
    database.error = None
    assert (await keys.identity(key(0), "10.0.0.1")).username == "alice"


async def test_one_address_does_not_take_all_places(keys: ApiKeys, database: StandInDatabase) -> None:
    database.goes_on = asyncio.Event()
    mine = [asyncio.create_task(keys.identity(key(number), "10.0.0.1")) for number in (0, 0, 0, 1, 2)]
    yours = [asyncio.create_task(keys.identity(key(number), "10.0.0.2")) for number in (3, 4)]
    others = asyncio.create_task(keys.identity(key(5), "10.0.0.3"))
    assert (await refused(mine[4])).code is Code.SERVICE_UNAVAILABLE
    assert (await refused(others)).code is Code.SERVICE_UNAVAILABLE
    mine[0].cancel()  # others wait for the same
    database.goes_on.set()
    assert [(await task).username for task in (*mine[1:4], *yours)] == ["alice"] * 5
    assert database.asked == 4
    assert (await keys.identity(key(2), "10.0.0.1")).username == "alice"


async def test_remembered_wrong_keys_are_bounded(
    keys: ApiKeys, database: StandInDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.limits.API_KEYS_WRONG_REMEMBERED", 3)
    database.row = None
    for number in range(10):
        await refused(keys.identity(key(number), "10.0.0.1"))
    assert len(keys._lookups._wrong) == 3


async def test_remembered_keys_are_bounded(
    keys: ApiKeys, revocations: Revocations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.limits.API_KEYS_REMEMBERED", 3)
    for number in range(10):
        await keys.identity(key(number), "10.0.0.1")
    assert len(keys._known) == 3
    assert len(revocations._watched["0" * 16]) == 3


SIGNING = {"key_id": "bot-1", "public_key": "ab" * 32}


def decided(served: Any) -> list[tuple[str | None, str | None, bytes | None]]:
    """Account, id and key of each decision that was written."""
    assert all(control.kind is ControlKind.KEY for control in served.decided)
    return [(control.account, control.key_id, control.public_key) for control in served.decided]


async def test_a_signing_key_is_a_decision_in_the_log(served: Any, client: Any) -> None:
    alice, bob = served.bearer("alice"), served.bearer("bob")
    made = await client.post("/api/v1/signing-keys", json=SIGNING, headers=alice)
    assert (made.status_code, made.json()["data"]) == (201, SIGNING)
    assert (await client.get("/api/v1/signing-keys", headers=alice)).json()["data"] == [SIGNING]
    assert (await client.get("/api/v1/signing-keys", headers=bob)).json()["data"] == []
    assert (await client.delete("/api/v1/signing-keys/bot-1", headers=bob)).status_code == 404
    assert (await client.delete("/api/v1/signing-keys/bot-1", headers=alice)).status_code == 200
    assert (await client.get("/api/v1/signing-keys", headers=alice)).json()["data"] == []
    assert decided(served) == [("alice", "bot-1", b"\xab" * 32), ("alice", "bot-1", None)]
    control = served.decided[0]
    assert (control.issued_by, control.issued_us > 0) == ("alice", True)


async def test_what_others_decided_counts(served: Any, client: Any) -> None:
    key = Control(ControlKind.KEY, "k1", account="alice", key_id="bot-1", public_key=b"\xab" * 32)
    served.signing_keys.apply_all([key, replace(key, control_id="k2", public_key=b"too short")])
    assert (await client.get("/api/v1/signing-keys", headers=served.bearer())).json()["data"] == [SIGNING]
    served.signing_keys.apply_all([replace(key, control_id="k3", public_key=None)])
    assert (await client.get("/api/v1/signing-keys", headers=served.bearer())).json()["data"] == []


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"public_key": "cd" * 32}, 409),
        ({"public_key": "ab" * 31}, 422),
        ({"public_key": "AB" * 32}, 422),
        ({"key_id": "gateway-1"}, 409),
        ({"key_id": "a b"}, 422),
        ({"key_id": "second"}, 429),
        ({}, 201),
    ],
)
async def test_a_signing_key_that_cannot_be_is_refused(
    served: Any, client: Any, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], status: int
) -> None:
    monkeypatch.setattr("gateway.limits.SIGNING_KEYS_PER_ACCOUNT", 1)
    alice = served.bearer("alice")
    assert (await client.post("/api/v1/signing-keys", json=SIGNING, headers=alice)).status_code == 201
    answer = await client.post("/api/v1/signing-keys", json=SIGNING | changed, headers=alice)
    assert answer.status_code == status, answer.text
    assert len(served.decided) == (2 if status == 201 else 1)


async def test_keys_change_so_often_a_day(served: Any, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.limits.SIGNING_KEY_CHANGES_PER_DAY", 3)
    alice, bob = served.bearer("alice"), served.bearer("bob")
    statuses = [(await client.post("/api/v1/signing-keys", json=SIGNING, headers=alice)).status_code for _ in range(4)]
    assert statuses == [201, 201, 201, 429]
    assert (await client.post("/api/v1/signing-keys", json=SIGNING, headers=bob)).status_code == 201


async def test_a_log_that_does_not_answer_leaves_the_outcome_unknown(served: Any, client: Any) -> None:
    served.decision_error = KafkaException(KafkaError(KafkaError._TIMED_OUT))
    answer = await client.post("/api/v1/signing-keys", json=SIGNING, headers=served.bearer())
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "OUTCOME_UNKNOWN")
    assert (await client.get("/api/v1/signing-keys", headers=served.bearer())).json()["data"] == []


async def test_a_user_makes_so_many_keys_an_hour(
    keys: ApiKeys, database: StandInDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = await keys.identity(key(), "10.0.0.1")
    database.row = (0, limits.API_KEYS_PER_HOUR)
    asked: list[str] = []
    rows = database.rows

    async def noted(statement: Any) -> list[Any]:
        asked.append(str(statement))
        return await rows(statement)

    monkeypatch.setattr(database, "rows", noted)
    error = await refused(keys.make(identity, "bot", frozenset({Right.READ}), []))
    assert (error.code, "retry-after" in error.headers) == (Code.RATE_LIMITED, True)
    assert asked[0].startswith("DELETE FROM api_keys")
    database.row = (limits.API_KEYS_PER_USER, 0)
    assert (await refused(keys.make(identity, "bot", frozenset({Right.READ}), []))).code is Code.LIMIT_EXCEEDED


async def test_one_cannot_give_what_one_does_not_have(keys: ApiKeys) -> None:
    identity = await keys.identity(key(), "10.0.0.1")
    error = await refused(keys.make(identity, "bot", frozenset({Right.ADMIN, Right.READ}), []))
    assert (error.code, error.message) == (Code.FORBIDDEN, "You cannot give what you do not have: admin.")
    wrong = await refused(keys.make(identity, "bot", frozenset({Right.READ}), ["10.0.0.1/8"]))
    assert (wrong.code, wrong.field) == (Code.VALIDATION_FAILED, "addresses")
