"""How often callers may ask: budgets in sliding windows, shared by all gateway processes through Valkey.

What counts is the count of this frame of time, and of the frame before it the part that the window still covers. It
needs two numbers a key, and is exact where requests are spread evenly.

Asking Valkey for every order would cost more than the order. So a process takes tokens ahead for callers that are busy:
at most a fiftieth of a budget, for at most a second. What is taken counts as used, so no budget is ever exceeded.

Without Valkey each process limits by itself, with a fraction of each budget: it is never open.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple, cast

import structlog
from valkey.asyncio import Valkey
from valkey.exceptions import ValkeyError

from gateway import limits
from gateway.errors import ApiError, Code

UNKNOWN: Final = "unknown"
"""What stands for an address that is none."""

_log: Final = structlog.get_logger("gateway.rates")

TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local granted = tonumber(ARGV[1])
local wait, tightest = 0, 0
local counts = {}
for i, key in ipairs(KEYS) do
    local limit, window = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    local frame, passed = math.floor(now / window), (now % window) / window
    local stored = redis.call('HMGET', key, 'frame', 'count', 'before')
    local count, before = tonumber(stored[2]) or 0, tonumber(stored[3]) or 0
    local age = frame - (tonumber(stored[1]) or 0)
    if age == 1 then count, before = 0, count elseif age ~= 0 then count, before = 0, 0 end
    local used = count + before * (1 - passed)
    local room = math.floor(limit - used)
    if room < 1 then
        local over, mine = used - limit + 1, 0
        if over <= before * (1 - passed) then mine = over / before * window
        else mine = window * (1 - passed) + window * math.max(0, 1 - (limit - 1) / count) end
        if mine > wait then wait, tightest = mine, i end
    end
    granted = math.min(granted, room)
    counts[i] = {frame, count, before, room, window}
end
if granted < 1 then return {0, math.max(1, math.ceil(wait)), tightest} end
local answer = {granted}
for i, key in ipairs(KEYS) do
    local frame, count, before, room, window = unpack(counts[i])
    redis.call('HSET', key, 'frame', frame, 'count', count + granted, 'before', before)
    redis.call('PEXPIRE', key, 2 * window)
    answer[i + 1] = room - granted
end
return answer
"""
"""KEYS: a hash a budget. ARGV: tokens wanted, then limit and window in milliseconds a budget.

Answers {granted, what remains of each}; or {0, milliseconds to wait, which budget is used up}, and nothing is taken.
"""


class Budget(NamedTuple):
    """So many requests in so many seconds."""

    name: str
    limit: int
    window_s: int


class Charge(NamedTuple):
    """A budget, and whose it is."""

    key: str
    budget: Budget


Headers = list[tuple[bytes, bytes]]

Take = Callable[[int, Sequence[Charge]], Awaitable[list[int]]]
"""Wants so many tokens of all charges at once; answers as TAKE does. Raises ValkeyError or OSError."""


class _Lease:
    """Tokens that were taken ahead."""

    __slots__ = ("block", "ends_s", "form", "lock", "policy", "refused", "refused_s", "remaining", "taken_s", "tokens")

    def __init__(self, budget: Budget) -> None:
        self.policy, self.form = _forms(budget)
        self.tokens = 0
        self.ends_s = 0.0
        self.taken_s = 0.0
        self.block = 1
        self.remaining = 0
        self.refused: Budget | None = None
        self.refused_s = 0.0
        """Until then nothing can have become free, so nobody is asked."""
        self.lock = asyncio.Lock()

    def spend(self) -> Headers:
        """Use a token; what the caller is told."""
        self.tokens -= 1
        return [self.policy, (b"ratelimit", self.form % (self.remaining + self.tokens))]


class Rates:
    """Charges requests to budgets."""

    def __init__(self, take: Take, clock_s: Callable[[], float] = time.monotonic) -> None:
        """What takes tokens for all processes; and seconds that never go back."""
        self._take = take
        self._clock_s = clock_s
        self._leases: OrderedDict[str, _Lease] = OrderedDict()
        self._local = LocalWindows(lambda: int(clock_s() * 1_000))
        self._asks_again_s = 0.0
        self.is_shared = True
        """Whether the budgets of all processes are one; False while each limits by itself."""

    def spend(self, name: str) -> Headers | None:
        """Use a token that was taken ahead under a name, and say how its caller stands; None where there is none."""
        lease = self._leases.get(name)
        if lease is None or not lease.tokens or lease.ends_s < self._clock_s():
            return None
        return lease.spend()

    async def charge(self, name: str, charges: Sequence[Charge]) -> Headers:
        """Take one token of each budget, and maybe some ahead under the name, which always stands for these charges.

        The first is the one that the caller is told of, in RateLimit-Policy and RateLimit. Raises ApiError: 429.
        """
        lease = self._leases.get(name)
        if lease is None:
            lease = self._leases[name] = _Lease(charges[0].budget)
            if len(self._leases) > limits.RATE_CALLERS_MAX:
                self._leases.popitem(last=False)
        async with lease.lock:
            told = self.spend(name)
            if told is not None:  # whoever had the lock before has asked
                return told
            await self._refill(lease, charges)
            self._leases[name] = lease
            self._leases.move_to_end(name)
            return lease.spend()

    async def _refill(self, lease: _Lease, charges: Sequence[Charge]) -> None:
        now_s = self._clock_s()
        if lease.refused is not None and now_s < lease.refused_s:
            raise _refused(lease.refused, max(1, round((lease.refused_s - now_s) * 1_000)))
        most = max(1, min(charge.budget.limit for charge in charges) // limits.RATE_AHEAD_PART)
        is_busy = now_s - lease.taken_s < limits.RATE_LEASE_S / 2
        lease.block = min(most, lease.block * 2) if is_busy else max(1, lease.block // 2)
        granted, *rest = await self._ask(lease.block, charges)
        lease.tokens = granted
        if not granted:
            lease.refused, lease.refused_s = charges[rest[1] - 1].budget, now_s + rest[0] / 1_000
            raise _refused(lease.refused, rest[0])
        lease.refused = None
        lease.taken_s, lease.ends_s, lease.remaining = now_s, now_s + limits.RATE_LEASE_S, rest[0]

    async def _ask(self, wanted: int, charges: Sequence[Charge]) -> list[int]:
        if self._clock_s() >= self._asks_again_s:
            try:
                async with asyncio.timeout(limits.RATE_ASK_S):
                    answer = await self._take(wanted, charges)
            except (ValkeyError, OSError) as error:
                self._asks_again_s = self._clock_s() + limits.RATE_ASK_AGAIN_S
                if self.is_shared:
                    _log.warning("rates_local", detail=str(error) or type(error).__name__)
                self.is_shared = False
            else:
                if not self.is_shared:
                    _log.info("rates_shared")
                self.is_shared = True
                return answer
        return self._local.take(1, [_part(charge) for charge in charges])


class LocalWindows:
    """The same windows in this process alone."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        """Milliseconds that never go back."""
        self._clock_ms = clock_ms
        self._windows: OrderedDict[str, tuple[int, int, int]] = OrderedDict()
        """Frame, its count, the count of the one before; by key."""

    def take(self, wanted: int, charges: Sequence[Charge]) -> list[int]:
        """As TAKE."""
        now_ms = self._clock_ms()
        rooms, waits, counts = [], [], []
        for key, budget in charges:
            window_ms = budget.window_s * 1_000
            frame, passed = now_ms // window_ms, now_ms % window_ms / window_ms
            last, count, before = self._windows.get(key, (frame, 0, 0))
            if last != frame:
                count, before = 0, count if last == frame - 1 else 0
            used = count + before * (1 - passed)
            rooms.append(int(budget.limit - used))
            counts.append((frame, count, before))
            over = used - budget.limit + 1
            if over <= before * (1 - passed):
                waits.append(over / before * window_ms if before else 0.0)
            else:
                waits.append(window_ms * (1 - passed) + window_ms * max(0.0, 1 - (budget.limit - 1) / count))
        granted = min(wanted, *rooms)
        if granted < 1:
            wait_ms, tightest = max((waits[at], at) for at, room in enumerate(rooms) if room < 1)
            return [0, max(1, -int(-wait_ms // 1)), tightest + 1]
        for charge, (frame, count, before) in zip(charges, counts, strict=True):
            self._windows[charge.key] = (frame, count + granted, before)
            self._windows.move_to_end(charge.key)
        while len(self._windows) > limits.RATE_CALLERS_MAX:
            self._windows.popitem(last=False)
        return [granted, *(room - granted for room in rooms)]

    def give_back(self, key: str) -> None:
        """One token that was taken counts no more."""
        frame, count, before = self._windows.get(key, (0, 0, 0))
        if count:
            self._windows[key] = (frame, count - 1, before)
        elif before:
            self._windows[key] = (frame, count, before - 1)


def shared(valkey: Valkey, prefix: str) -> Take:
    """Takes tokens in Valkey, under keys that begin with the prefix."""
    script = valkey.register_script(TAKE)

    async def take(wanted: int, charges: Sequence[Charge]) -> list[int]:
        keys = [f"{prefix}rate:{charge.key}" for charge in charges]
        numbers = [number for _, budget in charges for number in (budget.limit, budget.window_s * 1_000)]
        return cast("list[int]", await script(keys=keys, args=[wanted, *numbers]))

    return take


@lru_cache(limits.RATE_CALLERS_MAX)
def address_of(host: str) -> str:
    """What counts as one address: an IPv4 address, or the 64 bits of IPv6 that one customer is given."""
    try:
        address = ip_address(host)
    except ValueError:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Address(int(address) >> 64 << 64))
    return host


@lru_cache(limits.RATE_CALLERS_MAX)
def is_local(address: str) -> bool:
    """Whether it is this host's own: what comes from there without a proxy's word is a program beside the gateway."""
    return address != UNKNOWN and ip_address(address).is_loopback


def _part(charge: Charge) -> Charge:
    """What one process may give while it cannot ask."""
    key, budget = charge
    return Charge(key, budget._replace(limit=max(1, budget.limit // limits.RATE_LOCAL_PART)))


def _forms(budget: Budget) -> tuple[tuple[bytes, bytes], bytes]:
    """RateLimit-Policy, and RateLimit with a place for what remains (draft-ietf-httpapi-ratelimit-headers)."""
    name = budget.name.encode()
    policy = b'"%b";q=%d;w=%d' % (name, budget.limit, budget.window_s)
    return (b"ratelimit-policy", policy), b'"%b";r=%%d;t=%d' % (name, budget.window_s)


def _refused(budget: Budget, wait_ms: int) -> ApiError:
    wait_s = -(-wait_ms // 1_000)
    (_, policy), _ = _forms(budget)
    return ApiError(
        Code.RATE_LIMITED,
        f"The budget {budget.name} of {budget.limit} requests in {budget.window_s} s is used up; wait {wait_s} s.",
        details={"budget": budget.name, "limit": budget.limit, "window_s": budget.window_s},
        retry_after_s=wait_s,
        headers={"ratelimit-policy": policy.decode(), "ratelimit": f'"{budget.name}";r=0;t={wait_s}'},
    )
