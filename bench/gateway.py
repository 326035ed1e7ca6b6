"""The gateway's lean path against the same routes in plain FastAPI with pydantic, and logins beside other requests.

usage: python -m bench.gateway [--seconds N] [--repeat N] [--connections N] [--record]

Both are one uvicorn process (uvloop, httptools) on the same core. For an order both verify the same token (remembered
by both), check the same rules, seal the same Avro command, hand it to the same kind of producer and answer when the
broker has acknowledged; the book has 100 levels a side, of which 20 are asked for. The client keeps its connections
open and asks again when it is answered. Rounds alternate between the two; reported are the medians of requests a
second, and of requests a second of the server's own CPU time, which other load on the machine does not change.

Then orders are placed at a steady rate, alone and while so many logins a second are tried, each of which costs the
hash of a password: what is reported is how long the orders take. Kafka, registry, stores and secrets come from the
environment, as `tradsys env` prints it; topics and tables must be provisioned.
"""

import argparse
import asyncio
import itertools
import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

from confluent_kafka import Producer
from sqlalchemy import create_engine

from bench.matching import machine
from bench.plain_gateway import ASKS, BIDS, SYMBOL
from bench.servers import cpu_s, make_symbols, wait_until_ready
from gateway.auth.tokens import Tokens
from gateway.auth.users import NewUser, seed
from gateway.settings import load
from schemas.messages import Frame, FrameKind
from schemas.registry import connect
from stream_topology.sharding import partition_of
from stream_topology.subjects import subjects
from tradsys.settings import free_ports

RESULTS: Final = Path(__file__).parent / "results" / "gateway.json"
WARM_S: Final = 15.0
"""Of each server, unmeasured: the broker's code is compiled while it runs."""
UNLIMITED: Final = "90000000/10"
ORDERS_PER_S: Final = 200
LOGINS_PER_S: Final = 50
LOGIN_USERS: Final = 20
SENDERS: Final = 8
LOGIN: Final = (
    b"POST /auth/login HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
)


class Case(NamedTuple):
    """One route."""

    request: bytes
    status: int


def cases(token: str) -> dict[str, Case]:
    """What is asked, by its name."""
    order = b'{"symbol":"BTC-USD","side":"buy","type":"limit","price":"43210.5","quantity":"0.015"}'
    return {
        "POST /api/v1/orders": Case(
            b"POST /api/v1/orders HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b" % (token.encode(), len(order), order),
            202,
        ),
        "GET /api/v1/book/{symbol}": Case(b"GET /api/v1/book/BTC-USD HTTP/1.1\r\nhost: bench\r\n\r\n", 200),
        "GET /health/live": Case(b"GET /health/live HTTP/1.1\r\nhost: bench\r\n\r\n", 200),
    }


async def answer(reader: asyncio.StreamReader) -> int:
    """Read a whole answer; its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
    return int(head[9:12])


async def requests_of(port: int, case: Case, seconds: float, connections: int) -> int:
    """How many the server at that port answers as it should."""
    ends = time.perf_counter() + seconds

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answered = 0
        while time.perf_counter() < ends:
            writer.write(case.request)
            status = await answer(reader)
            assert status == case.status, status
            answered += 1
        writer.close()
        return answered

    return sum(await asyncio.gather(*(one() for _ in range(connections))))


async def latencies_ms(port: int, case: Case, seconds: float) -> list[float]:
    """How long each of ORDERS_PER_S takes from when it was due, sorted."""
    taken: list[float] = []
    began = time.perf_counter()

    async def send(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in itertools.count(first, SENDERS):
            due = began + number / ORDERS_PER_S
            if due > began + seconds:
                break
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(case.request)
            assert await answer(reader) == case.status
            taken.append((time.perf_counter() - due) * 1_000)
        writer.close()

    await asyncio.gather(*(send(first) for first in range(SENDERS)))
    return sorted(taken)


async def logins(port: int, password: str, seconds: float) -> Counter[int]:
    """Try LOGINS_PER_S, each from an address of its own, since those of one address are limited; statuses."""
    statuses: Counter[int] = Counter()

    async def login(number: int) -> None:
        body = json.dumps({"username": f"bench-{number % LOGIN_USERS}", "password": password}).encode()
        source = (f"127.0.{1 + number // 250}.{1 + number % 250}", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=source)
        head = (
            b"POST /auth/login HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        )
        writer.write(head % len(body) + body)
        statuses[await answer(reader)] += 1
        writer.close()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as trying:
        for number in range(int(seconds * LOGINS_PER_S)):
            await asyncio.sleep(max(0.0, began + number / LOGINS_PER_S - time.perf_counter()))
            trying.create_task(login(number))
    return statuses


async def beside_logins(port: int, case: Case, password: str, seconds: float) -> dict[str, Any]:
    """How long orders take, alone and while logins are tried."""
    alone = await latencies_ms(port, case, seconds)
    beside, statuses = await asyncio.gather(latencies_ms(port, case, seconds), logins(port, password, seconds))
    return {
        "orders_per_s": ORDERS_PER_S,
        "logins_per_s": LOGINS_PER_S,
        "login_statuses": {str(status): count for status, count in sorted(statuses.items())},
        "alone_ms": _percentiles(alone),
        "beside_logins_ms": _percentiles(beside),
    }


def prepare(password: str) -> None:
    """The instrument, its book, and users who log in."""
    settings = load()
    codec = connect(settings.schema_registry_url, subjects(settings.prefix))
    make_symbols(codec, SYMBOL)
    sides = {name: [[str(price), "1.5"] for price in prices] for name, prices in (("bids", BIDS), ("asks", ASKS))}
    channel = f"book:{SYMBOL}"
    frame = Frame(channel, 1, FrameKind.SNAPSHOT, json.dumps(sides).encode(), 1)
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap})
    shard = partition_of(channel, settings.shards)
    producer.produce(f"{settings.prefix}stream", codec.encode(frame), channel.encode(), shard)
    producer.flush(10)
    engine = create_engine(settings.database)
    seed(engine, [NewUser(f"bench-{number}", password, "bench", "trader") for number in range(LOGIN_USERS)])
    engine.dispose()


def main() -> None:
    """Start both, measure in turns, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--record", action="store_true", help="write bench/results/gateway.json")
    chosen = parser.parse_args()
    settings = load()
    password = secrets.token_urlsafe(12)
    prepare(password)
    token, _ = Tokens(settings.token_keys, settings.jwt_expiry_s).issue("bench", "bench", "trader", "bench")
    asked = cases(token)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    servers: dict[str, tuple[int, subprocess.Popen[bytes]]] = {}
    routes: dict[str, Any] = {}
    try:
        for name, module in {"lean": "gateway", "plain": "bench.plain_gateway"}.items():
            servers[name] = _start(module, cores[0])
        for name, case in asked.items():
            routes[name] = _compare(servers, case, chosen)
            print(name, json.dumps(routes[name]), flush=True)
        # With logins the number of seconds counts: a hundred orders are no p99.
        beside = asyncio.run(
            beside_logins(servers["lean"][0], asked["POST /api/v1/orders"], password, 4 * chosen.seconds)
        )
        print("logins", json.dumps(beside), flush=True)
    finally:
        for _port, server in servers.values():
            server.terminate()
            server.wait(20)
    if chosen.record:
        options = {name: getattr(chosen, name) for name in ("seconds", "repeat", "connections")}
        result = {"machine": machine(), "options": options, "routes": routes, "logins": beside}
        RESULTS.write_text(json.dumps(result, indent=2) + "\n", "utf-8")


def _start(module: str, core: int) -> tuple[int, subprocess.Popen[bytes]]:
    port = free_ports()["gateway"]
    # No worker runs beside it, so pre-trade risk is behind from the first order on.
    environment = os.environ | {"GATEWAY_PORT": str(port), "RISK_LAG_S": "300"}
    environment |= {f"RATE_{name}": UNLIMITED for name in ("ORDERS", "PUBLIC", "ADDRESS")}
    server = subprocess.Popen([sys.executable, "-m", module], env=environment, stderr=subprocess.DEVNULL)
    os.sched_setaffinity(server.pid, {core})
    try:
        wait_until_ready(port)
    except BaseException:
        server.kill()
        raise
    return port, server


def _compare(
    servers: dict[str, tuple[int, subprocess.Popen[bytes]]], case: Case, chosen: argparse.Namespace
) -> dict[str, Any]:
    """One route, in turns."""
    rates: dict[str, list[float]] = {name: [] for name in servers}
    rates_cpu: dict[str, list[float]] = {name: [] for name in servers}
    for port, _ in servers.values():
        asyncio.run(requests_of(port, case, WARM_S, chosen.connections))
    for _ in range(chosen.repeat):
        for name, (port, server) in servers.items():
            began, began_cpu = time.perf_counter(), cpu_s(server.pid)
            answered = asyncio.run(requests_of(port, case, chosen.seconds, chosen.connections))
            rates[name].append(answered / (time.perf_counter() - began))
            rates_cpu[name].append(answered / (cpu_s(server.pid) - began_cpu))
    return {"requests_per_s": _summary(rates), "requests_per_cpu_s": _summary(rates_cpu)}


def _summary(rates: dict[str, list[float]]) -> dict[str, Any]:
    medians = {name: statistics.median(measured) for name, measured in rates.items()}
    return {
        "medians": {name: round(median) for name, median in medians.items()},
        "ratio": round(medians["lean"] / medians["plain"], 2),
        "rounds": {name: [round(rate) for rate in measured] for name, measured in rates.items()},
    }


def _percentiles(taken_ms: list[float]) -> dict[str, float]:
    return {f"p{part}": round(taken_ms[len(taken_ms) * part // 100], 2) for part in (50, 99)}


if __name__ == "__main__":
    main()
