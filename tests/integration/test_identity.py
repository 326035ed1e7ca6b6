"""Who may log in and for how long, on real PostgreSQL and Valkey."""

import asyncio
import base64
import json
import os
import secrets
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from argon2 import PasswordHasher, Type
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL, Engine, create_engine, func, insert, literal, select, update
from sqlalchemy.exc import SQLAlchemyError
from valkey.asyncio import Valkey

from gateway import limits
from gateway.auth.attempts import Attempts
from gateway.auth.enrolment import Enrolments
from gateway.auth.keys import ApiKeys
from gateway.auth.logins import Logins
from gateway.auth.passwords import Passwords
from gateway.auth.revocations import Revocations
from gateway.auth.sessions import Session, Sessions
from gateway.auth.tokens import Identity as Caller
from gateway.auth.totp import SecondFactor, Vault, read_keys
from gateway.auth.users import Ended, NewUser, User, disable, find, seed
from gateway.database import Database
from gateway.errors import ApiError, Code
from gateway.rights import ROLES, Right
from schemas import tables
from tests.integration.patience import PATIENT_MS
from tests.integration.test_operator import database_at
from tests.integration.typed import tradsys

TOKEN_S = 60
TOTP_KEYS = secrets.token_hex(32)


class Process:
    """What one gateway process has of sessions."""

    def __init__(self, url: URL) -> None:
        self.database = Database(url, answer_ms=PATIENT_MS)
        self.revocations = Revocations(TOKEN_S)
        self.sessions = Sessions(self.database, self.revocations)

    async def begin(self, username: str = "alice") -> Session:
        """A session of a user as the database has it."""
        user = await find(self.database, username)
        assert user is not None
        return await self.sessions.begin(username, user)

    async def refuses(self, session_id: str) -> bool:
        """After a look: whether tokens of the session are refused."""
        await self.revocations.look(self.database)
        try:
            self.revocations.require(session_id)
        except ApiError as error:
            return error.code is Code.UNAUTHORIZED
        return False


@dataclass
class Identity:
    """Two processes on one database, and a way to look into it."""

    dsn: str
    home: str
    one: Process
    other: Process
    logins: Logins
    engine: Engine

    def execute(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
async def identity(stack: Any, database: str, tmp_path: Path) -> AsyncIterator[Identity]:
    named = conninfo_to_dict(database)
    url = URL.create(
        "postgresql+psycopg",
        str(named["user"]),
        str(named["password"]),
        str(named["host"]),
        int(str(named["port"])),
        str(named["dbname"]),
    )
    engine = create_engine(url)
    seed(engine, [NewUser("alice", "alice's password", "account-1", "trader")])
    valkey: Valkey = Valkey.from_url(stack.valkey_url)
    passwords = Passwords()
    one, other = Process(url), Process(url)
    attempts = Attempts(valkey, f"test-{secrets.token_hex(4)}.")
    codes = SecondFactor(one.database, attempts, Vault(read_keys(TOTP_KEYS)))
    logins = Logins(one.database, passwords, attempts, codes)
    yield Identity(database, str(tmp_path), one, other, logins, engine)
    engine.dispose()
    passwords.close()
    for process in (one, other):
        process.database.close()
    await valkey.aclose()


async def refused(asked: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await asked
    return caught.value


async def test_a_refresh_token_is_good_once_and_a_used_one_ends_the_session_everywhere(identity: Identity) -> None:
    one, other = identity.one, identity.other
    begun = await one.begin()
    followed = await other.sessions.refresh(begun.refresh_token)
    assert followed[:4] == begun[:4]
    assert followed.expires_us == begun.expires_us
    newest = await one.sessions.refresh(followed.refresh_token)
    assert len({begun.refresh_token, followed.refresh_token, newest.refresh_token}) == 3
    assert not await other.refuses(begun.session_id)
    error = await refused(one.sessions.refresh(begun.refresh_token))  # two uses ago
    assert error.code is Code.UNAUTHORIZED
    assert (await refused(one.sessions.refresh(newest.refresh_token))).message == error.message
    assert await other.refuses(begun.session_id)
    assert identity.execute("SELECT revoked_because FROM sessions") == [("reuse",)]


async def test_of_many_uses_at_once_one_wins_and_the_session_ends(identity: Identity) -> None:
    begun = await identity.one.begin()
    used = [
        process.sessions.refresh(begun.refresh_token) for process in (identity.one, identity.other) for _ in range(4)
    ]
    answers = await asyncio.gather(*used, return_exceptions=True)
    assert len([answer for answer in answers if not isinstance(answer, ApiError)]) == 1
    assert await identity.other.refuses(begun.session_id)


async def test_the_database_holds_no_token(identity: Identity) -> None:
    begun = await identity.one.begin()
    kept = str(identity.execute("SELECT * FROM sessions"))
    assert begun.refresh_token[:32] not in kept
    assert begun.refresh_token[32:] not in kept


@pytest.mark.parametrize("token", ["", "zz", "ab" * 47, "ab" * 48, "ab" * 49])
async def test_what_is_no_refresh_token_is_refused_alike(identity: Identity, token: str) -> None:
    begun = await identity.one.begin()
    assert "refresh token is not good" in (await refused(identity.one.sessions.refresh(token))).message
    assert not await identity.one.refuses(begun.session_id)


async def test_a_logout_ends_one_session_or_all_of_a_user(identity: Identity) -> None:
    one, other = identity.one, identity.other
    first, second, third = [await one.begin() for _ in range(3)]
    identity.execute("INSERT INTO users SELECT 'bob', password_hash, 'account-2', role, 1 FROM users")
    bob = await one.begin("bob")
    assert await one.sessions.end(first.session_id) == 1
    assert await one.sessions.end(first.session_id) == 0
    await refused(one.sessions.refresh(first.refresh_token))
    assert [await other.refuses(session.session_id) for session in (first, second, third)] == [True, False, False]
    assert await one.sessions.end_all("alice") == 2
    assert [await other.refuses(session.session_id) for session in (second, third, bob)] == [True, True, False]


async def test_a_refresh_gives_the_account_and_role_of_now_and_none_to_the_disabled(identity: Identity) -> None:
    begun = await identity.one.begin()
    identity.execute("UPDATE users SET role = 'viewer'")
    followed = await identity.one.sessions.refresh(begun.refresh_token)
    assert followed.role == "viewer"
    identity.execute("UPDATE users SET disabled_us = 1")
    await refused(identity.one.sessions.refresh(followed.refresh_token))


async def test_sessions_end_by_themselves_are_counted_and_forgotten(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SESSIONS_PER_HOUR", 2)
    begun = [await identity.one.begin() for _ in range(2)]
    error = await refused(identity.one.begin())
    assert error.code is Code.RATE_LIMITED
    identity.execute("UPDATE sessions SET expires_us = 1, created_us = 0")
    await refused(identity.one.sessions.refresh(begun[0].refresh_token))
    await identity.one.begin()
    assert identity.execute("SELECT count(*) FROM sessions") == [(1,)]


async def test_a_hash_of_other_parameters_is_replaced_at_login(identity: Identity) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=1_024, parallelism=1, type=Type.ID).hash("alice's password")
    identity.execute(f"UPDATE users SET password_hash = '{old}'")  # noqa: S608 - ours
    await refused(identity.logins.user("alice", "wrong", "10.0.0.1"))
    assert identity.execute("SELECT password_hash FROM users") == [(old,)]
    for _ in range(2):
        seen = await identity.logins.user("alice", "alice's password", "10.0.0.1")
        assert (await identity.one.sessions.begin("alice", seen)).account == "account-1"
    ((kept,),) = identity.execute("SELECT password_hash FROM users")
    assert "m=19456,t=2,p=1" in kept


async def test_who_is_unknown_or_disabled_is_answered_as_with_a_wrong_password(identity: Identity) -> None:
    identity.execute("INSERT INTO users SELECT 'eve', password_hash, account, role, 1, 1 FROM users")
    asked = {"alice": "wrong", "eve": "alice's password", "nobody": "wrong", "no\0body": "wrong"}
    errors = [await refused(identity.logins.user(*who, f"10.0.1.{at}")) for at, who in enumerate(asked.items())]
    assert len({(error.code, error.message) for error in errors}) == 1
    assert errors[0].code is Code.UNAUTHORIZED


async def test_lockout_is_the_same_for_those_who_exist_and_those_who_do_not(identity: Identity) -> None:
    told = []
    for name in ("alice", "nobody"):
        errors = [
            await refused(identity.logins.user(name, "wrong", f"10.1.{at}.{len(name)}"))
            for at in range(limits.LOGIN_FAILURES_PER_USER + 1)
        ]
        told.append([(error.code, error.message) for error in errors])
    assert told[0] == told[1]
    assert [code for code, _ in told[0][-2:]] == [Code.UNAUTHORIZED, Code.RATE_LIMITED]
    right = await refused(identity.logins.user("alice", "alice's password", "10.2.0.1"))
    assert right.code is Code.RATE_LIMITED


async def test_a_login_does_not_wait_for_the_disk_and_a_logout_does(identity: Identity) -> None:
    identity.execute(
        """
        CREATE TABLE waits (waits text);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO waits VALUES (TG_OP || current_setting(''synchronous_commit'')); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER notes AFTER INSERT OR UPDATE ON sessions DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION note();
        """
    )
    session = await identity.one.begin("alice")
    assert await identity.one.sessions.end(session.session_id) == 1
    assert identity.execute("SELECT waits FROM waits") == [("INSERToff",), ("UPDATEon",)]


async def test_an_unknown_user_takes_as_long_as_a_known_one(identity: Identity) -> None:
    took_s: dict[str, list[float]] = {"alice": [], "nobody": []}
    for at in range(limits.LOGIN_FAILURES_PER_USER):
        for name, seconds in took_s.items():
            began = time.perf_counter()
            await refused(identity.logins.user(name, "wrong", f"10.3.{at}.{len(name)}"))
            seconds.append(time.perf_counter() - began)
    known_s, unknown_s = (statistics.median(seconds) for seconds in took_s.values())
    assert known_s / 2 < unknown_s < known_s * 2  # without a hash it would be a tenth


def type_in(identity: Identity, *words: str, password: str = "") -> tuple[int, str, str]:
    """Exit code, output and errors of `tradsys users`."""
    environment = os.environ | {"TRADSYS_HOME": identity.home, "TOTP_KEYS": TOTP_KEYS} | database_at(identity.dsn)
    done = tradsys("users", *words, environment=environment, typed=password)
    return done.returncode, done.stdout, done.stderr


def users(identity: Identity) -> Any:
    return json.loads(type_in(identity, "list", "--json")[1])


async def test_the_operator_makes_a_user_who_can_log_in(identity: Identity) -> None:
    words = ("create", "bob", "--account", "desk-1", "--role", "viewer")
    made = type_in(identity, *words, password="bob has a password\n")
    assert made == (0, "", "bob may log in, as viewer of the account desk-1.\n")
    user = await identity.logins.user("bob", "bob has a password", "10.4.0.1")
    assert (user.account, user.role) == ("desk-1", "viewer")
    assert type_in(identity, *words, password="another password\n")[::2] == (
        1,
        "tradsys: There is a user bob already.\n",
    )
    await refused(identity.logins.user("bob", "another password", "10.4.0.1"))
    assert {name: facts["role"] for name, facts in users(identity).items()} == {"alice": "trader", "bob": "viewer"}
    shown = [line.split() for line in type_in(identity)[1].splitlines()]
    assert shown[1:] == [["alice", "account-1", "trader", "0", "0"], ["bob", "desk-1", "viewer", "0", "0"]]


async def test_whom_the_operator_disables_is_out_until_enabled(identity: Identity) -> None:
    begun = await identity.one.begin()
    assert users(identity)["alice"]["sessions"] == 1
    assert (
        type_in(identity, "disable", "alice")[2]
        == "alice can log in no more; 1 sessions ended, 0 API keys were revoked.\n"
    )
    assert await identity.other.refuses(begun.session_id)
    await refused(identity.one.sessions.refresh(begun.refresh_token))
    await refused(identity.logins.user("alice", "alice's password", "10.5.0.1"))
    assert users(identity)["alice"]["disabled"] is not None
    assert type_in(identity, "enable", "alice")[0] == 0
    assert (await identity.logins.user("alice", "alice's password", "10.5.0.1")).disabled_us is None
    await refused(identity.one.sessions.refresh(begun.refresh_token))


async def test_disabling_a_user_revokes_the_users_keys(identity: Identity) -> None:
    keys = ApiKeys(identity.other.database, identity.other.revocations)
    await identity.other.revocations.look(identity.other.database)
    key, _ = await keys.make(await caller(identity), "a bot", frozenset({Right.TRADE}), [])
    assert (await keys.identity(key, "10.0.0.1")).rights == {Right.TRADE}
    assert key[-64:] not in str(identity.execute("SELECT * FROM api_keys"))
    changed = key[:-1] + ("0" if key[-1] != "0" else "1")
    await refused(keys.identity(changed, "10.0.0.1"))
    told = type_in(identity, "disable", "alice")[2]
    assert told == "alice can log in no more; 1 sessions ended, 1 API keys were revoked.\n"
    assert await identity.other.refuses(key[4:20])
    type_in(identity, "enable", "alice")
    await refused(keys.identity(key, "10.0.0.1"))


async def caller(identity: Identity) -> Caller:
    """Alice, who has logged in."""
    session = await identity.one.begin()
    return Caller("alice", "account-1", "trader", None, session.session_id, ROLES["trader"])


async def test_a_user_has_so_many_keys(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "API_KEYS_PER_USER", 2)
    keys = ApiKeys(identity.one.database, identity.one.revocations)
    alice = await caller(identity)
    made = [await keys.make(alice, f"bot {number}", frozenset({Right.READ}), ["10.0.0.1"]) for number in range(2)]
    assert (await refused(keys.make(alice, "a third", frozenset({Right.READ}), []))).code is Code.LIMIT_EXCEEDED
    assert [row.name for row in await keys.of_user("alice")] == ["bot 1", "bot 0"]
    assert not await keys.revoke("bob", made[0][1].key_id)
    assert await keys.revoke("alice", made[0][1].key_id)
    assert [row.name for row in await keys.of_user("alice")] == ["bot 1"]
    await keys.make(alice, "a third", frozenset({Right.READ}), [])


async def test_a_new_password_ends_the_sessions_and_keys_of_the_old_one(identity: Identity) -> None:
    alice = await caller(identity)
    keys = ApiKeys(identity.one.database, identity.one.revocations)
    _, key = await keys.make(alice, "whoever knew the password made it", frozenset({Right.READ}), [])
    assert (users(identity)["alice"]["sessions"], users(identity)["alice"]["api_keys"]) == (1, 1)
    changed = type_in(identity, "password", "alice", password="a new password\n")
    assert changed[2] == "alice has a new password; 1 sessions ended, 1 API keys were revoked.\n"
    assert await identity.other.refuses(alice.session_id)
    assert await identity.other.refuses(key.key_id)
    await refused(identity.logins.user("alice", "alice's password", "10.6.0.1"))
    await identity.logins.user("alice", "a new password", "10.6.0.1")


@pytest.mark.parametrize(
    "changed", ["password_hash = 'another'", "disabled_us = 1", "role = 'viewer'", "account = 'account-2'"]
)
async def test_a_login_under_way_does_not_outlive_a_change_of_its_user(identity: Identity, changed: str) -> None:
    seen = await identity.logins.user("alice", "alice's password", "10.7.0.1")
    with psycopg.connect(identity.dsn) as operator:
        operator.execute(f"UPDATE users SET {changed}".encode())  # noqa: S608 - ours
        operator.execute("UPDATE sessions SET revoked_us = 1 WHERE revoked_us IS NULL")
        under_way = asyncio.create_task(identity.one.sessions.begin("alice", seen))
        await waits(identity)
        operator.commit()
    assert (await refused(under_way)).code is Code.SERVICE_UNAVAILABLE
    assert identity.execute("SELECT * FROM sessions") == []


async def test_no_key_is_made_while_its_session_ends(identity: Identity) -> None:
    alice = await caller(identity)
    keys = ApiKeys(identity.one.database, identity.one.revocations)
    with psycopg.connect(identity.dsn) as operator:
        operator.execute("UPDATE sessions SET revoked_us = 1")
        under_way = asyncio.create_task(keys.make(alice, "a bot", frozenset({Right.READ}), []))
        await waits(identity)
        operator.commit()
    assert (await refused(under_way)).code is Code.UNAUTHORIZED
    assert identity.execute("SELECT * FROM api_keys") == []


class Authenticator:
    """What alice has beside her password, and a clock."""

    def __init__(self, identity: Identity) -> None:
        code, address, self.said = type_in(identity, "totp", "alice")
        assert code == 0, self.said
        secret = base64.b32decode(parse_qs(urlsplit(address.strip()).query)["secret"][0])
        self._codes = TOTP(secret, 6, SHA1(), 30)  # noqa: S303 - as the gateway
        self.now_s = 1_800_000_000
        self.identity = identity
        assert identity.logins._second_factor is not None
        identity.logins._second_factor._clock = lambda: self.now_s

    def code(self, steps: int = 0) -> str:
        return self._codes.generate(self.now_s + steps * 30).decode()

    async def log_in(self, code: str | None, password: str = "alice's password") -> User:  # noqa: S107 - a test's
        return await self.identity.logins.user("alice", password, "10.8.0.1", code)


async def test_who_is_enrolled_logs_in_with_a_code_that_is_good_once(identity: Identity) -> None:
    alice = await caller(identity)
    mine = Authenticator(identity)
    assert mine.said == (
        "alice logs in with codes of this secret too, which is not shown again; 1 sessions ended, "
        "0 API keys were revoked.\n"
    )
    assert await identity.other.refuses(alice.session_id)
    assert users(identity)["alice"]["totp"] is True
    missing = await refused(mine.log_in(None))
    assert (missing.code, missing.field) == (Code.UNAUTHORIZED, "code")
    assert (await refused(mine.log_in(None, "wrong"))).field is None  # the password comes first
    assert (await refused(mine.log_in(mine.code(), "wrong"))).field is None
    used, wrong = mine.code(), mine.code(steps=2)
    for steps in (-2, 1, 2):
        assert (await refused(mine.log_in(mine.code(steps)))).field == "code"
    tried = await asyncio.gather(*(mine.log_in(used) for _ in range(3)), return_exceptions=True)
    (seen,) = [user for user in tried if isinstance(user, User)]
    assert (await identity.one.sessions.begin("alice", seen)).account == "account-1"
    for code in (used, mine.code(steps=-1), wrong):
        error = await refused(mine.log_in(code))
        assert (error.code, "used before" in error.message) == (Code.UNAUTHORIZED, True)
    mine.now_s += 30
    assert (await mine.log_in(mine.code())).account == "account-1"
    kept = str(identity.execute("SELECT * FROM users"))
    assert mine._codes._hotp._key.hex() not in kept


async def test_the_operator_helps_who_has_lost_the_authenticator(identity: Identity) -> None:
    lost = Authenticator(identity)
    await lost.log_in(lost.code())
    found = Authenticator(identity)
    assert (await refused(found.log_in(lost.code()))).field == "code"
    seen = await found.log_in(found.code())
    assert type_in(identity, "totp-off", "alice")[2] == (
        "alice logs in with the password alone; 0 sessions ended, 0 API keys were revoked.\n"
    )
    assert (await refused(identity.one.sessions.begin("alice", seen))).code is Code.SERVICE_UNAVAILABLE
    assert (await found.log_in(None)).totp_secret is None
    assert users(identity)["alice"]["totp"] is False


async def test_a_login_under_way_does_not_slip_by_a_code(identity: Identity) -> None:
    seen = await identity.logins.user("alice", "alice's password", "10.8.0.1")
    Authenticator(identity)
    assert (await refused(identity.one.sessions.begin("alice", seen))).code is Code.SERVICE_UNAVAILABLE


async def test_codes_are_not_guessed(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CODE_FAILURES_PER_USER", 3)
    mine = Authenticator(identity)
    for _ in range(3):
        await mine.log_in(mine.code())  # good ones do not count
        mine.now_s += 30
    for _ in range(3):
        assert (await refused(mine.log_in("000000" if mine.code() != "000000" else "111111"))).field == "code"
    error = await refused(mine.log_in(mine.code()))
    assert (error.code, int(error.headers["retry-after"]) > 3_600) == (Code.RATE_LIMITED, True)
    again = Authenticator(identity)
    assert (await again.log_in(again.code())).account == "account-1"


class Enrolled:
    """Alice takes on codes by herself, and a clock."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.now_s = 1_800_000_000
        self.vault = Vault(read_keys(TOTP_KEYS))
        self.factor = identity.logins._second_factor
        self.factor._clock = lambda: self.now_s
        database = identity.one.database
        self.enrolments = Enrolments(database, identity.logins, self.vault, lambda: self.now_s)
        self.secret = ""

    async def begin(self, who: Caller, password: str = "alice's password") -> str:  # noqa: S107 - a test's
        begun = await self.enrolments.begin(who, password, "10.9.0.1")
        self.secret = begun["secret"]
        assert parse_qs(urlsplit(begun["uri"]).query)["secret"] == [self.secret]
        return begun["enrolment"]

    async def give_up(self, who: Caller, code: str, password: str = "alice's password") -> Ended:  # noqa: S107 - a test's
        return await self.enrolments.give_up(who, password, code, "10.9.0.1")

    def code(self, steps: int = 0) -> str:
        codes = TOTP(base64.b32decode(self.secret), 6, SHA1(), 30)  # noqa: S303 - as the gateway
        return codes.generate(self.now_s + steps * 30).decode()

    async def log_in(self, code: str | None) -> User:
        return await self.identity.logins.user("alice", "alice's password", "10.9.0.2", code)


async def test_a_person_takes_on_codes_and_gives_them_up(
    identity: Identity, capsys: pytest.CaptureFixture[str]
) -> None:
    alice, other = await caller(identity), await caller(identity)
    keys = ApiKeys(identity.one.database, identity.one.revocations)
    _, key = await keys.make(alice, "a bot", frozenset({Right.READ}), [])
    mine = Enrolled(identity)
    wrong = await refused(mine.begin(alice, "wrong"))
    assert (wrong.code, wrong.field) == (Code.VALIDATION_FAILED, "password")
    enrolment = await mine.begin(alice)
    for who, asked, code in (
        (alice, enrolment, mine.code(steps=2)),
        (other, enrolment, mine.code()),
        (alice, enrolment[:-2] + ("00" if enrolment[-2:] != "00" else "11"), mine.code()),
        (alice, "ab", mine.code()),
        (alice, "abc", mine.code()),
    ):
        assert (await refused(mine.enrolments.confirm(who, asked, code))).code is Code.VALIDATION_FAILED
    assert (await mine.log_in(None)).totp_secret is None  # nothing holds yet
    first = mine.code()
    assert await mine.enrolments.confirm(alice, enrolment, first) == (2, 1)
    for ended in (alice.session_id, other.session_id, key.key_id):
        assert await identity.other.refuses(ended)
    assert (await refused(mine.log_in(None))).field == "code"
    assert "used before" in (await refused(mine.log_in(first))).message
    mine.now_s += 30
    seen = await mine.log_in(mine.code())
    again = Caller(
        "alice", "account-1", "trader", None, (await identity.one.sessions.begin("alice", seen))[0], frozenset()
    )
    assert (await refused(mine.begin(again))).code is Code.CONFLICT
    for code in (mine.code(), mine.code(steps=3)):  # used, and of another time
        error = await refused(mine.give_up(again, code))
        assert (error.code, error.field) == (Code.VALIDATION_FAILED, "code")
    mine.now_s += 30
    error = await refused(mine.give_up(again, mine.code(), "wrong"))  # a token alone uses no code up, and counts none
    assert (error.code, error.field) == (Code.VALIDATION_FAILED, "password")
    assert await mine.give_up(again, mine.code()) == (1, 0)
    assert (await mine.log_in(None)).totp_secret is None
    assert (await refused(mine.give_up(again, mine.code()))).code is Code.CONFLICT
    said = "".join(capsys.readouterr())
    assert "codes_taken_on" in said
    assert "codes_given_up" in said
    for secret in (mine.secret, base64.b32decode(mine.secret).hex(), enrolment, first, "alice's password"):
        assert secret not in said


async def test_codes_are_taken_on_and_given_up_in_a_session_that_goes_on(identity: Identity) -> None:
    mine = Enrolled(identity)
    alice = await caller(identity)
    enrolment = await mine.begin(alice)
    with psycopg.connect(identity.dsn) as operator:  # a new password is under way
        operator.execute("UPDATE users SET password_hash = 'another'")
        operator.execute("UPDATE sessions SET revoked_us = 1")
        under_way = asyncio.create_task(mine.enrolments.confirm(alice, enrolment, mine.code()))
        await waits(identity)
        operator.commit()
    assert (await refused(under_way)).code is Code.CONFLICT
    assert identity.execute("SELECT totp_secret, totp_step FROM users") == [(None, None)]


async def test_of_two_enrolments_one_holds(identity: Identity) -> None:
    mine = Enrolled(identity)
    alice = await caller(identity)
    made = []
    for _ in range(2):
        enrolment = await mine.begin(alice)
        made.append((enrolment, mine.code()))
    answers = await asyncio.gather(*(mine.enrolments.confirm(alice, *each) for each in made), return_exceptions=True)
    assert len([each for each in answers if isinstance(each, ApiError) and each.code is Code.CONFLICT]) == 1


async def test_the_key_of_secrets_is_rotated_by_logging_in(identity: Identity) -> None:
    mine = Authenticator(identity)
    newest, oldest = secrets.token_bytes(32), bytes.fromhex(TOTP_KEYS)
    second_factor = identity.logins._second_factor
    for keys, is_good in (
        ([newest], False),
        ([newest, oldest], True),
        ([newest], True),
        ([oldest], False),
        ([], False),
    ):
        second_factor._vault = Vault(keys)
        mine.now_s += 30
        if is_good:
            seen = await mine.log_in(mine.code())
            await identity.one.sessions.begin("alice", seen)
        else:
            assert (await refused(mine.log_in(mine.code()))).code is Code.SERVICE_UNAVAILABLE


def test_without_a_key_nobody_is_enrolled(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "TOTP_KEYS", "")
    code, address, said = type_in(identity, "totp", "alice")
    assert (code, address) == (1, "")
    assert "TOTP_KEYS is not set" in said
    assert identity.execute("SELECT totp_secret FROM users") == [(None,)]


async def waits(identity: Identity) -> None:
    """Until a gateway waits for somebody's lock."""
    query = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'tradsys-gateway' AND wait_event_type = 'Lock'"
    async with asyncio.timeout(60):
        while not identity.execute(query):  # noqa: ASYNC110 - the database gives no event
            await asyncio.sleep(0.01)


async def test_a_user_is_disabled_wholly_or_not_at_all(identity: Identity) -> None:
    alice = await caller(identity)
    await ApiKeys(identity.one.database, identity.one.revocations).make(alice, "bot", frozenset({Right.READ}), [])
    identity.execute("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END'")
    identity.execute("CREATE TRIGGER fails BEFORE UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION fail()")
    with pytest.raises(SQLAlchemyError):
        disable(identity.engine, "alice")
    assert identity.execute("SELECT disabled_us FROM users") == [(None,)]
    assert identity.execute("SELECT revoked_us FROM sessions") == [(None,)]


async def test_a_lost_connection_leaves_the_outcome_of_a_change_unknown_and_a_read_undone(identity: Identity) -> None:
    dies = func.pg_terminate_backend(func.pg_backend_pid())
    read = await refused(identity.one.database.rows(select(dies)))
    assert (read.code, "nothing was done" in read.message) == (Code.SERVICE_UNAVAILABLE, True)
    change = update(tables.users).values(disabled_us=1).where(dies).returning(tables.users.c.username)
    error = await refused(identity.one.database.rows(change))
    assert (error.code, "outcome is unknown" in error.message) == (Code.OUTCOME_UNKNOWN, True)
    twice = insert(tables.users).from_select(["username"], select(literal("alice"))).returning(tables.users.c.username)
    said_no = await refused(identity.one.database.rows(twice))  # the server says that it was not done
    assert said_no.code is Code.SERVICE_UNAVAILABLE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "eve", "--role", "king"), "The role of eve is 'king'; it must be one of admin, trader, viewer."),
        (("create", "eve"), "Which --role: viewer, trader or admin?"),
        (("create",), "create takes a name."),
        (("list", "eve"), "list takes no name."),
        (("disable", "eve"), "There is no user eve."),
        (("disable", "alice", "--role", "viewer"), "--account goes with create, --role with create and role."),
        (("create", "e ve", "--role", "viewer"), "'e ve' cannot be the name of a user"),
        (("create", "eve", "--account", "/", "--role", "viewer"), "'/' cannot be the account of a user"),
        (("password", "alice"), "The password has 5 characters; 12 to 256 are needed."),
    ],
)
def test_what_cannot_be_is_said_and_not_done(identity: Identity, words: tuple[str, ...], said: str) -> None:
    before = identity.execute("SELECT * FROM users")
    code, _, told = type_in(identity, *words, password="short\n" if words[0] == "password" else "long enough it is\n")
    assert code in {1, 2}
    assert f"tradsys: {said}" in told
    assert identity.execute("SELECT * FROM users") == before
