"""Budgets in a real Valkey: the script against the same windows in Python, and many gateways at once."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from valkey.asyncio import Valkey

from gateway import limits
from gateway.breakers import Breaker
from gateway.errors import ApiError
from gateway.rates import Budget, Charge, LocalWindows, Rates, shared
from gateway.stores import open_valkey, valkey_is_away
from tests.integration.patience import PATIENT_MS

HOUR_MS = 3_600_000


@pytest.fixture
async def valkey(stack: Any) -> AsyncIterator[Valkey]:
    opened: Valkey = Valkey.from_url(stack.valkey_url)
    yield opened
    await opened.aclose()


@pytest.mark.parametrize("seed", range(20))
async def test_the_script_does_what_the_windows_in_python_do(valkey: Valkey, seed: int) -> None:
    """From any state; the windows are long, so that the two clocks see the same."""
    chance, prefix = random.Random(seed), f"test-{secrets.token_hex(4)}:"
    take = shared(valkey, prefix)
    now_ms = time.time_ns() // 1_000_000
    windows = LocalWindows(lambda: now_ms)
    charges = [
        Charge(name, Budget(name, chance.choice((1, 5, 100)), 3_600)) for name in ("a", "b")[: chance.randint(1, 2)]
    ]
    for key, budget in charges:
        age = chance.choice((0, 0, 1, 2))
        frame, count, before = now_ms // HOUR_MS - age, chance.randint(0, budget.limit), chance.randint(0, budget.limit)
        windows._windows[key] = (frame, count, before)
        await valkey.hset(f"{prefix}rate:{key}", mapping={"frame": frame, "count": count, "before": before})  # type: ignore[misc]
    for _ in range(30):
        wanted = chance.randint(1, 4)
        said, expected = await take(wanted, charges), windows.take(wanted, charges)
        if expected[0]:
            assert said == expected
        else:
            assert (said[0], said[2]) == (0, expected[2])
            assert abs(said[1] - expected[1]) < 60_000
            break
    for key, _ in charges:
        if expected[0]:
            assert 0 < await valkey.pttl(f"{prefix}rate:{key}") <= 2 * HOUR_MS


async def test_many_gateways_give_no_more_than_one_budget(valkey: Valkey) -> None:
    take = shared(valkey, f"test-{secrets.token_hex(4)}:")
    gateways = [Rates(take) for _ in range(4)]
    budget = Budget("orders", 200, 60)

    async def ask(rates: Rates) -> bool:
        try:
            if rates.spend("alice") is None:
                await rates.charge("alice", [Charge("alice", budget)])
        except ApiError:
            return False
        return True

    given = sum(await asyncio.gather(*(ask(rates) for _ in range(100) for rates in gateways)))
    assert 190 <= given <= budget.limit


async def test_more_callers_than_connections_wait_and_nobody_takes_that_for_an_outage(stack: Any) -> None:
    opened = open_valkey(stack.valkey_url, Breaker("valkey", valkey_is_away), answer_ms=PATIENT_MS)
    try:
        assert all(await asyncio.gather(*(opened.ping() for _ in range(10 * limits.VALKEY_CONNECTIONS))))
    finally:
        await opened.aclose()
