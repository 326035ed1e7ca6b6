"""Passwords are hashed beside the event loop, by few threads, in a bounded queue."""

import asyncio
import os
import statistics
import sys
import threading
import time
from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher, Type

from gateway import limits
from gateway.auth import passwords
from gateway.auth.passwords import HASHER, Passwords, Verdict
from gateway.errors import ApiError, Code

OLD = PasswordHasher(time_cost=1, memory_cost=1_024, parallelism=1, type=Type.ID)


@pytest.fixture
async def verifier() -> AsyncIterator[Passwords]:
    made = Passwords()
    yield made
    made.close()


async def test_a_right_password_whose_hash_is_old_is_hashed_anew(verifier: Passwords) -> None:
    assert await verifier.verify(HASHER.hash("right"), "right") == (True, None)
    is_right, new_hash = await verifier.verify(OLD.hash("right"), "right")
    assert is_right
    assert new_hash is not None
    assert new_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await verifier.verify(new_hash, "right") == (True, None)
    assert await verifier.verify(OLD.hash("right"), "wrong") == (False, None)
    assert await verifier.verify("no hash", "right") == (False, None)


async def test_a_user_who_does_not_exist_costs_a_whole_hash(
    verifier: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = []
    verdict = passwords._verdict
    monkeypatch.setattr(passwords, "_verdict", lambda *given: verified.append(given[0]) or verdict(*given))
    assert await verifier.verify(None, "nobody has this password") == (False, None)
    assert not HASHER.check_needs_rehash(verified[0])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority of its own")
async def test_who_hashes_gives_way_to_the_event_loop(verifier: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    found = []

    def verdict(*_: str) -> Verdict:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return Verdict(is_right=True)

    monkeypatch.setattr(passwords, "_verdict", verdict)
    await verifier.verify("a hash", "right")
    assert found == [limits.HASH_NICENESS]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


async def test_the_event_loop_goes_on_while_passwords_are_hashed(verifier: Passwords) -> None:
    password_hash = HASHER.hash("right")
    late_s = []

    async def tick() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            late_s.append(time.perf_counter() - began)

    ticking = asyncio.create_task(tick())
    hashing = time.perf_counter()
    await asyncio.gather(*(verifier.verify(password_hash, "right") for _ in range(20)))
    took_s = time.perf_counter() - hashing
    ticking.cancel()
    assert len(late_s) > 5
    assert statistics.median(late_s) < took_s / 10


async def test_too_many_at_once_are_told_to_come_back(verifier: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.limits.HASH_WAITING_MAX", 3)
    password_hash = HASHER.hash("right")
    answers = await asyncio.gather(*(verifier.verify(password_hash, "right") for _ in range(5)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, ApiError)]
    assert [error.code for error in refused] == [Code.SERVICE_UNAVAILABLE] * 2
    assert await verifier.verify(password_hash, "right") == (True, None)
