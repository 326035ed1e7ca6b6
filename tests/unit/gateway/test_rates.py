"""Budgets in sliding windows: never more than allowed, cheap for the busy, never open."""

import random
from collections.abc import Sequence

import pytest
from valkey.exceptions import ConnectionError as ValkeyConnectionError

from gateway import limits
from gateway.errors import ApiError, Code
from gateway.rates import Budget, Charge, LocalWindows, Rates, address_of

TEN = Budget("ten", 10, 10)
MANY = Budget("many", 1_000, 10)


class Clock:
    def __init__(self) -> None:
        self.now_ms = 5_000_000

    def __call__(self) -> float:
        return self.now_ms / 1_000


class Store:
    """The windows of all processes, and how often they were asked."""

    def __init__(self, clock: Clock) -> None:
        self.windows = LocalWindows(lambda: clock.now_ms)
        self.error: Exception | None = None
        self.asked = 0

    async def take(self, wanted: int, charges: Sequence[Charge]) -> list[int]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.windows.take(wanted, charges)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Store:
    return Store(clock)


async def allowed(rates: Rates, budget: Budget, who: str = "alice") -> bool:
    name = f"{budget.name} {who}"
    try:
        if rates.spend(name) is None:
            await rates.charge(name, [Charge(name, budget)])
    except ApiError as error:
        if error.code is not Code.RATE_LIMITED:
            raise
        return False
    return True


async def test_a_budget_ends_and_comes_back(store: Store, clock: Clock) -> None:
    rates = Rates(store.take, clock)
    assert [await allowed(rates, TEN) for _ in range(12)] == [True] * 10 + [False] * 2
    assert await allowed(rates, TEN, "bob")
    with pytest.raises(ApiError) as caught:
        await rates.charge("ten alice", [Charge("ten alice", TEN)])
    wait_s = int(caught.value.headers["retry-after"])
    assert caught.value.headers["ratelimit"] == f'"ten";r=0;t={wait_s}'
    assert caught.value.headers["ratelimit-policy"] == '"ten";q=10;w=10'
    clock.now_ms += wait_s * 1_000
    assert await allowed(rates, TEN)
    assert not await allowed(rates, TEN)


async def test_a_refusal_is_remembered_while_it_must_hold(store: Store, clock: Clock) -> None:
    rates = Rates(store.take, clock)
    while await allowed(rates, TEN):
        pass
    asked = store.asked
    for _ in range(50):
        assert not await allowed(rates, TEN)
    assert store.asked == asked


@pytest.mark.parametrize("seed", range(5))
async def test_no_ten_seconds_hold_more_than_the_budget_evenly_used(clock: Clock, store: Store, seed: int) -> None:
    """Two processes; the window's estimate may err by what came unevenly in the frame before, so twice is the bound."""
    chance = random.Random(seed)
    processes = [Rates(store.take, clock) for _ in range(2)]
    times: list[int] = []
    for _ in range(5_000):
        clock.now_ms += chance.choice((0, 1, 3, 40))
        if await allowed(chance.choice(processes), MANY):
            times.append(clock.now_ms)
    frames: dict[int, int] = {}
    for at in times:
        frames[at // 10_000] = frames.get(at // 10_000, 0) + 1
    ahead = 2 * MANY.limit // limits.RATE_AHEAD_PART
    assert max(frames.values()) <= MANY.limit + ahead
    assert max(frames.values()) > MANY.limit * 0.9


async def test_the_busy_take_ahead_and_the_quiet_do_not(store: Store, clock: Clock) -> None:
    rates = Rates(store.take, clock)
    for _ in range(500):
        assert await allowed(rates, MANY)
        clock.now_ms += 1
    assert store.asked <= 500 // (MANY.limit // limits.RATE_AHEAD_PART) + 6
    store.asked = 0
    for _ in range(5):
        clock.now_ms += 5_000
        assert await allowed(rates, MANY, "slow")
        assert rates.spend("many slow") is None
    assert store.asked == 5


async def test_what_was_taken_ahead_is_worthless_after_a_second(store: Store, clock: Clock) -> None:
    rates = Rates(store.take, clock)
    for _ in range(20):
        await allowed(rates, MANY)
    clock.now_ms += int(limits.RATE_LEASE_S * 1_000) + 1
    assert rates.spend("many alice") is None


async def test_without_the_store_a_quarter_is_given_and_the_store_is_asked_again(store: Store, clock: Clock) -> None:
    rates = Rates(store.take, clock)
    store.error = ValkeyConnectionError("away")
    assert sum([await allowed(rates, MANY) for _ in range(1_000)]) == MANY.limit // limits.RATE_LOCAL_PART
    assert not rates.is_shared
    assert store.asked == 1
    store.error = None
    clock.now_ms += int(limits.RATE_ASK_AGAIN_S * 1_000)
    assert await allowed(rates, MANY, "bob")
    assert rates.is_shared


async def test_all_budgets_of_a_request_are_charged_or_none(store: Store, clock: Clock) -> None:
    rates = Rates(store.take, clock)
    both = [Charge("a", TEN), Charge("b", Budget("few", 3, 10))]
    for _ in range(3):
        await rates.charge("both", both)
    with pytest.raises(ApiError) as caught:
        await rates.charge("both", both)
    assert caught.value.details["budget"] == "few"
    assert store.windows.take(100, [both[0]]) == [7, 0]


def test_what_counts_as_one_address() -> None:
    assert address_of("203.0.113.7") == "203.0.113.7"
    assert address_of("2001:db8:1:2:3:4:5:6") == address_of("2001:db8:1:2:ffff::1") == "2001:db8:1:2::"
    assert address_of("2001:db8:1:3::1") != address_of("2001:db8:1:2::1")
    assert address_of("::ffff:203.0.113.7") == "203.0.113.7"
    assert address_of("") == address_of("unix:/x") == "unknown"


def test_forgotten_callers_do_not_pile_up(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RATE_CALLERS_MAX", 10)
    windows = LocalWindows(lambda: clock.now_ms)
    for number in range(100):
        windows.take(1, [Charge(str(number), TEN)])
    assert len(windows._windows) == 10
