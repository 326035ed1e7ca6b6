"""POST /api/v1/orders: the gateway's lean path against the same endpoint in plain FastAPI with pydantic.

usage: python -m bench.gateway [--seconds N] [--repeat N] [--connections N]

Both are one uvicorn process (uvloop, httptools) on the same core, verify the same token (remembered by both), check
the same rules, seal the same Avro command, hand it to the same kind of producer and answer when the broker has
acknowledged. The client keeps its connections open and asks for the next order when the last is answered. Rounds
alternate between the two; reported are the medians of requests a second, and of requests a second of the server's own
CPU time, which other load on the machine does not change. Kafka, registry and secrets come from the environment, as
`tradsys env` prints it; topics must be provisioned.
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from typing import Annotated, Any, Literal

import httpx
import psutil
import uvicorn
from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from gateway.auth.tokens import Identity, Tokens
from gateway.orders.answers import Answers
from gateway.orders.desk import OrderDesk
from gateway.orders.requests import OrderRequest
from gateway.pressure import Pressure
from gateway.producer import CommandProducer
from gateway.rights import Right, require
from gateway.settings import load
from schemas.registry import connect
from stream_topology.subjects import subjects

BODY = b'{"symbol":"BTC-USD","side":"buy","type":"limit","price":"43210.5","quantity":"0.015"}'
READY_S = 60
WARM_S = 15.0
"""Of each server, unmeasured: the broker's code is compiled while it runs."""


class OrderBody(BaseModel):
    """The order as pydantic checks it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    symbol: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,32}$")]
    side: Literal["buy", "sell"]
    type: Literal["limit", "market"]
    quantity: str
    price: str | None = None
    time_in_force: Literal["gtc", "ioc", "fok"] | None = None
    client_order_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:+/=@-]{1,64}$")] | None = None
    post_only: bool = False
    self_trade_prevention: Literal["cancel_newest", "cancel_oldest", "cancel_both", "none"] | None = None


class Placed(BaseModel):
    """What is answered."""

    order_id: str
    client_order_id: str
    status: str = "pending"


class PlacedAnswer(BaseModel):
    """The envelope."""

    success: bool = True
    data: Placed


def plain() -> FastAPI:
    """The endpoint as FastAPI's documentation would have it written."""
    settings = load()
    tokens = Tokens(settings.token_keys, settings.jwt_expiry_s)
    desk = OrderDesk(
        CommandProducer(settings),
        connect(settings.schema_registry_url, subjects(settings.prefix)),
        Answers(),
        Pressure(settings.shards),
    )
    application = FastAPI()

    async def who(request: Request) -> Identity:
        return tokens.verify(request.headers.get("authorization", "").removeprefix("Bearer "))

    @application.get("/health/ready")
    async def ready() -> dict[str, bool]:
        return {"success": True}

    @application.post("/api/v1/orders", status_code=202)
    async def place(order: OrderBody, identity: Annotated[Identity, Depends(who)]) -> PlacedAnswer:
        require(identity.rights, Right.TRADE)
        acknowledged, client_order_id = desk.place(identity, OrderRequest(**order.model_dump()), os.urandom(16).hex())
        return PlacedAnswer(data=Placed(order_id=str(await acknowledged), client_order_id=client_order_id))

    return application


async def requests_of(port: int, token: str, seconds: float, connections: int) -> int:
    """How many the server at that port answers with 202."""
    request = (
        b"POST /api/v1/orders HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b" % (token.encode(), len(BODY), BODY)
    )
    ends = time.perf_counter() + seconds

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answered = 0
        while time.perf_counter() < ends:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 202 "), head
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            answered += 1
        writer.close()
        return answered

    return sum(await asyncio.gather(*(one() for _ in range(connections))))


def main() -> None:
    """Start both, measure in turns, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    chosen = parser.parse_args()
    settings = load()
    token, _ = Tokens(settings.token_keys, settings.jwt_expiry_s).issue("bench", "bench", "trader", "bench")
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    commands = {"lean": ["-m", "gateway"], "plain": ["-m", "bench.gateway", "--serve-plain"]}
    servers: dict[str, tuple[int, subprocess.Popen[bytes]]] = {}
    try:
        for name, arguments in commands.items():
            port = _free_port()
            # No worker runs beside it, so pre-trade risk is behind from the first order on.
            environment = os.environ | {"GATEWAY_PORT": str(port), "RISK_LAG_S": "300"}
            server = subprocess.Popen([sys.executable, *arguments], env=environment, stderr=subprocess.DEVNULL)
            os.sched_setaffinity(server.pid, {cores[0]})
            servers[name] = (port, server)
        for port, _server in servers.values():
            _wait(port)
        rates: dict[str, list[float]] = {name: [] for name in servers}
        rates_cpu: dict[str, list[float]] = {name: [] for name in servers}
        for port, _server in servers.values():
            asyncio.run(requests_of(port, token, WARM_S, chosen.connections))
        for _ in range(chosen.repeat):
            for name, (port, server) in servers.items():
                began, began_cpu = time.perf_counter(), _cpu_s(server.pid)
                answered = asyncio.run(requests_of(port, token, chosen.seconds, chosen.connections))
                rates[name].append(answered / (time.perf_counter() - began))
                rates_cpu[name].append(answered / (_cpu_s(server.pid) - began_cpu))
    finally:
        for _port, server in servers.values():
            server.terminate()
            server.wait(20)
    print(
        json.dumps(
            {
                "benchmark": "gateway: POST /api/v1/orders, one process on one core",
                "requests_per_s": _summary(rates),
                "requests_per_cpu_s": _summary(rates_cpu),
                "connections": chosen.connections,
                "seconds": chosen.seconds,
            }
        )
    )


def _summary(rates: dict[str, list[float]]) -> dict[str, Any]:
    medians = {name: statistics.median(measured) for name, measured in rates.items()}
    return {
        "medians": {name: round(median) for name, median in medians.items()},
        "ratio": round(medians["lean"] / medians["plain"], 2),
        "rounds": {name: [round(rate) for rate in measured] for name, measured in rates.items()},
    }


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _wait(port: int) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, "a server did not become ready"
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _serve_plain() -> None:
    port = int(os.environ["GATEWAY_PORT"])

    def make() -> Any:
        return plain()

    uvicorn.run(make, factory=True, port=port, loop="uvloop", http="httptools", access_log=False, log_level="error")


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve-plain"]:
        _serve_plain()
    else:
        main()
