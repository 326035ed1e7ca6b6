"""The stream: frames of one channel to many WebSocket clients, and what idle subscriptions cost.

usage: python -m bench.streams [--clients N] [--rates N,N] [--seconds N] [--idle N] [--record]

A gateway on one core reads frames from the topic `stream` and sends each to every client; the clients, and whoever
writes the topic, share the other core. Each rate is frames a second into the topic: what is delivered is that times the
clients. Reported are frames delivered a second, and the time from the writing of a frame to its arrival (p50, p99; of
the oldest frame of each read, so that none looks younger than it is). The peer does the same with FastAPI as its
documentation broadcasts: `await websocket.send_text(...)`, client by client, fed by the same reader of the log. Before
that as many connections as asked are opened, each with one subscription in which nothing happens: memory and CPU of the
gateway before and with them. Kafka, registry and secrets come from the environment, as `tradsys env` prints it.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, cast

import psutil
import uvicorn
import uvloop
from confluent_kafka import Producer
from fastapi import FastAPI, WebSocket

from bench.matching import machine
from bench.servers import cpu_s, make_symbols, wait_until_ready
from gateway.reader import LogReader
from gateway.settings import load
from gateway.stream.wire import frame_message
from schemas.codec import Codec
from schemas.messages import Frame, FrameKind
from schemas.registry import connect
from stream_topology.sharding import partition_of
from stream_topology.subjects import subjects
from tradsys.settings import free_ports

RESULTS: Final = Path(__file__).parent / "results" / "streams.json"
SYMBOL: Final = "BENCH-USD"
QUIET: Final = "QUIET-USD"
CHANNEL: Final = f"trades:{SYMBOL}"
PAYLOAD: Final = (
    '{{"trade_id":"{number}","price":"43210.5","quantity":"0.015","notional":"648.1575","aggressor_side":"buy",'
    '"time":"{sent_ns:020d}"}}'
)
SENT: Final = b'"time":"'
STAMP: Final = 20
"""Digits of the time in a payload."""
HANDSHAKE: Final = (
    b"GET /ws HTTP/1.1\r\nhost: bench\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
OPENED_AT_ONCE: Final = 50
DRAIN_S: Final = 10.0
IDLE_S: Final = 10.0
P99_MS_MAX: Final = 100
_16_BITS: Final = 126
_64_BITS: Final = 127


class Client(asyncio.Protocol):
    """Counts frames, and notes how old the oldest of each read is."""

    def __init__(self, counts: "Counts", channel: str) -> None:
        self._counts = counts
        self._channel = channel
        self._rest = b""
        self.is_open = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask to be let in."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop has a class of its own
        self.transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        """The answer to the handshake, then frames."""
        data = self._rest + data
        if not self.is_open.done():
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            assert head.startswith(b"HTTP/1.1 101 "), head
            asked = b'{"type":"marketdata.subscribe","channel":"%b"}' % self._channel.encode()
            self.transport.write(bytes((0x81, 0x80 | len(asked), 0, 0, 0, 0)) + asked)
            self.is_open.set_result(None)
        at, end_at, count = 0, len(data), 0
        while at + 2 <= end_at:
            length, begin = data[at + 1], at + 2
            if length == _16_BITS:
                length, begin = int.from_bytes(data[at + 2 : at + 4]), at + 4
            elif length == _64_BITS:
                length, begin = int.from_bytes(data[at + 2 : at + 10]), at + 10
            if begin + length > end_at:
                break
            stamp = data.find(SENT, begin, begin + length) if not count else 0
            if stamp > 0:
                stamp += len(SENT)
                self._counts.ages_ns.append(time.time_ns() - int(data[stamp : stamp + STAMP]))
            count += 1
            at = begin + length
        self._rest = data[at:]
        self._counts.frames += count

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has sent it away, or the test is over."""
        del exc
        self._counts.lost += 1


class Counts:
    """What all clients have heard."""

    def __init__(self) -> None:
        self.frames = 0
        self.lost = 0
        self.ages_ns: list[int] = []

    def begin(self) -> None:
        """Count anew."""
        self.frames, self.ages_ns = 0, []


async def open_clients(port: int, count: int, channel: str, counts: Counts) -> list[Client]:
    """Connections that have subscribed."""
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    while len(clients) < count:
        some = min(OPENED_AT_ONCE, count - len(clients))
        opening = [loop.create_connection(lambda: Client(counts, channel), "127.0.0.1", port) for _ in range(some)]
        opened = [client for _, client in await asyncio.gather(*opening)]
        await asyncio.gather(*(client.is_open for client in opened))
        clients += opened
    return clients


class Frames:
    """Writes frames of the channel to the topic, at a rate."""

    def __init__(self, codec: Codec) -> None:
        settings = load()
        self._codec = codec
        self._topic = f"{settings.prefix}stream"
        self._partition = partition_of(CHANNEL, settings.shards)
        self._producer = Producer({"bootstrap.servers": settings.kafka_bootstrap, "linger.ms": 1})
        self._number = 0

    async def write(self, rate: float, seconds: float) -> int:
        """How many were written."""
        began, written = time.perf_counter(), 0
        while (elapsed_s := time.perf_counter() - began) < seconds:
            while written < elapsed_s * rate:
                self._number += 1
                written += 1
                payload = PAYLOAD.format(number=self._number, sent_ns=time.time_ns())
                frame = Frame(CHANNEL, self._number, FrameKind.UPDATE, payload.encode(), 1)
                self._producer.produce(self._topic, self._codec.encode(frame), CHANNEL.encode(), self._partition)
            self._producer.poll(0)
            await asyncio.sleep(0.001)
        await asyncio.to_thread(self._producer.flush, 10)
        return written


async def measure(port: int, pid: int, frames: Frames, clients: int, rates: list[int], seconds: float) -> list[Any]:
    """Each rate in turn."""
    counts = Counts()
    opened = await open_clients(port, clients, CHANNEL, counts)
    await asyncio.sleep(1)
    await frames.write(rates[0], 2)  # unmeasured: nothing is warm yet
    await asyncio.sleep(1)
    rounds = []
    for rate in rates:
        counts.begin()
        began, began_cpu = time.perf_counter(), cpu_s(pid)
        expected = clients * await frames.write(rate, seconds)
        written_s = time.perf_counter() - began
        while counts.frames < expected and not counts.lost and time.perf_counter() - began < written_s + DRAIN_S:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        elapsed_s = time.perf_counter() - began
        ages_ms = sorted(age / 1e6 for age in counts.ages_ns) or [float("inf")]
        rounds.append(
            {
                "frames_per_s_in": rate,
                "frames_per_s": round(counts.frames / elapsed_s),
                "delivered": round(counts.frames / expected, 4),
                "p50_ms": round(statistics.median(ages_ms), 1),
                "p99_ms": round(ages_ms[int(len(ages_ms) * 0.99)], 1),
                "server_cpu": round((cpu_s(pid) - began_cpu) / elapsed_s, 2),
                "sent_away": counts.lost,
            }
        )
        if counts.lost:
            break
    for client in opened:
        client.transport.close()
    await asyncio.sleep(1)
    return rounds


async def idle(port: int, pid: int, count: int) -> dict[str, Any]:
    """Memory and CPU of the gateway with so many subscriptions in which nothing happens."""
    process = psutil.Process(pid)
    before, before_cpu = process.memory_info().rss, cpu_s(pid)
    await asyncio.sleep(IDLE_S)
    cpu_alone = (cpu_s(pid) - before_cpu) / IDLE_S
    counts = Counts()
    began = time.perf_counter()
    opened = await open_clients(port, count, f"trades:{QUIET}", counts)
    while counts.frames < 2 * count:  # noqa: ASYNC110 - an answer and a snapshot each
        await asyncio.sleep(0.05)
    opened_s = time.perf_counter() - began
    await asyncio.sleep(2)
    began_cpu = cpu_s(pid)
    await asyncio.sleep(IDLE_S)
    cpu = (cpu_s(pid) - began_cpu) / IDLE_S
    memory = process.memory_info().rss
    lost = counts.lost
    for client in opened:
        client.transport.close()
    return {
        "subscriptions": count,
        "opened_s": round(opened_s, 1),
        "memory_mb": round(memory / 1e6),
        "memory_kb_each": round((memory - before) / count / 1e3, 1),
        "cpu": round(cpu, 3),
        "cpu_without": round(cpu_alone, 3),
        "lost": lost,
    }


def plain() -> FastAPI:
    """The channel as FastAPI's documentation broadcasts it."""
    settings = load()
    codec = connect(settings.schema_registry_url, subjects(settings.prefix))
    application = FastAPI()
    clients: set[WebSocket] = set()

    async def broadcast(messages: list[str]) -> None:
        for message in messages:
            for client in tuple(clients):
                await client.send_text(message)

    def take(frames: list[Frame], offsets: list[int]) -> None:
        made = [frame_message(frame, offset).data for frame, offset in zip(frames, offsets, strict=True)]
        queue.put_nowait([message[message.index(b"{") :].decode() for message in made])

    async def run() -> None:
        while True:
            await broadcast(await queue.get())

    queue: asyncio.Queue[list[str]] = asyncio.Queue()
    reader = LogReader(settings, codec, "stream", Frame, take, partitions=range(settings.shards), window_ms=0)
    reader.start()
    running = asyncio.create_task(run())

    @application.get("/health/ready")
    async def ready() -> dict[str, bool]:
        return {"success": not running.done() and reader.caught_up.is_set()}

    @application.websocket("/ws")
    async def stream(client: WebSocket) -> None:
        await client.accept()
        await client.receive_text()
        clients.add(client)
        try:
            while True:
                await client.receive_text()
        finally:
            clients.discard(client)

    return application


def main() -> None:
    """Start both, measure one after the other, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--rates", default="200,300,400,600", help="frames a second into the topic")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--record", action="store_true", help="write bench/results/streams.json")
    chosen = parser.parse_args()
    rates = [int(rate) for rate in chosen.rates.split(",")]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    settings = load()
    codec = connect(settings.schema_registry_url, subjects(settings.prefix))
    make_symbols(codec, SYMBOL, QUIET)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    frames = Frames(codec)
    measured: dict[str, Any] = {}
    for name, arguments in {"gateway": ["-m", "gateway"], "plain": ["-m", "bench.streams", "--serve-plain"]}.items():
        port = free_ports()["gateway"]
        environment = os.environ | {
            "GATEWAY_PORT": str(port),
            "RATE_ADDRESS": "9000000/10",
            "RATE_PUBLIC": "9000000/10",
        }
        server = subprocess.Popen([sys.executable, *arguments], env=environment, stderr=subprocess.DEVNULL)
        os.sched_setaffinity(server.pid, {cores[0]})
        try:
            wait_until_ready(port)
            if name == "gateway" and chosen.idle:
                measured["idle"] = uvloop.run(idle(port, server.pid, chosen.idle))
            measured[name] = uvloop.run(measure(port, server.pid, frames, chosen.clients, rates, chosen.seconds))
        finally:
            server.terminate()
            server.wait(20)
    result = {
        "machine": machine(),
        "clients": chosen.clients,
        "seconds": chosen.seconds,
        f"frames_per_s_at_p99_below_{P99_MS_MAX}_ms": {
            name: max((one["frames_per_s"] for one in measured[name] if _is_good(one)), default=0)
            for name in ("gateway", "plain")
        },
        "rounds": measured,
    }
    print(json.dumps(result))
    if chosen.record:
        RESULTS.write_text(json.dumps(result, indent=2) + "\n", "utf-8")


def _is_good(one: dict[str, Any]) -> bool:
    # There may be more than was written: pings are frames too.
    return bool(one["p99_ms"] < P99_MS_MAX and one["delivered"] >= 1 and not one["sent_away"])


def _serve_plain() -> None:
    port = int(os.environ["GATEWAY_PORT"])

    def make() -> Any:
        return plain()

    uvicorn.run(
        make, factory=True, port=port, loop="uvloop", ws="websockets-sansio", access_log=False, log_level="error"
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve-plain"]:
        _serve_plain()
    else:
        main()
