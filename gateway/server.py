"""One gateway process: makes all parts, and runs them until it is told to stop."""

import asyncio
import gc
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
import uvicorn
from confluent_kafka import KafkaException
from fastapi import FastAPI
from sqlalchemy import literal, select
from valkey.asyncio import Valkey
from valkey.exceptions import ValkeyError

from gateway import limits
from gateway.app import Gateway, make_application
from gateway.auth import routes as auth_routes
from gateway.auth.attempts import Attempts
from gateway.auth.passwords import Passwords
from gateway.auth.tickets import Tickets
from gateway.auth.tokens import Tokens
from gateway.database import Database
from gateway.health import routes as health_routes
from gateway.health.checks import Check
from gateway.market import routes as market_routes
from gateway.market.symbols import Symbols
from gateway.metrics import Metrics
from gateway.orders import routes as orders_routes
from gateway.orders.answers import Answers
from gateway.orders.desk import OrderDesk
from gateway.orders.lean import LeanOrders
from gateway.producer import CommandProducer
from gateway.protocol import HttpProtocol
from gateway.reader import WINDOW_MS, LogReader, look_back
from gateway.settings import Settings, SettingsError, load
from gateway.stream.hub import Hub
from gateway.stream.protocol import StreamProtocol
from gateway.stream.session import Door
from schemas.codec import Codec
from schemas.messages import Control, Frame
from schemas.registry import RegistryError, connect

SEARCH_AGAIN_S: Final = 1.0

_log: Final = structlog.get_logger("gateway")


def serve() -> int:
    """Run with the settings of the environment; the exit code."""
    _configure_logs()
    try:
        settings = load()
        codec = connect(settings.schema_registry_url, settings.prefix)
        listening = _listen(settings)
    except (SettingsError, RegistryError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    gc.freeze()
    server = uvicorn.Server(
        uvicorn.Config(
            lambda: _in_loop(settings, codec),
            factory=True,
            loop="uvloop",
            http=HttpProtocol,
            ws=StreamProtocol,
            ws_max_size=limits.WS_MESSAGE_BYTES_MAX,
            ws_ping_interval=limits.WS_PING_S,
            ws_ping_timeout=limits.WS_PING_S,
            ws_per_message_deflate=False,
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            backlog=limits.BACKLOG,
            timeout_keep_alive=limits.KEEP_ALIVE_S,
            timeout_graceful_shutdown=limits.SHUTDOWN_S,
        )
    )
    server.run([listening])
    return 0 if server.started else 1


def build(settings: Settings, codec: Codec) -> Gateway:
    """All parts of one process, wired; made in the running event loop. They stop with the application's lifespan."""
    # 1. What is shared: tokens, stores, metrics.
    metrics = Metrics()
    tokens = Tokens(settings.jwt_secret, settings.jwt_expiry_s)
    database = Database(settings.database)
    valkey = _valkey(settings)
    attempts, tickets = Attempts(valkey, settings.prefix), Tickets(valkey, settings.prefix)
    passwords = Passwords()
    # 2. The log: commands out, control and frames in.
    answers = Answers()
    hub = Hub(answers.saw)
    symbols = Symbols()
    producer = CommandProducer(settings)
    control = LogReader(settings, codec, "control", Control, symbols.apply_all, partitions=[0], window_ms=None)
    stream = LogReader(
        settings, codec, "stream", Frame, hub.apply, partitions=range(settings.shards), window_ms=WINDOW_MS
    )
    metrics.in_flight.set_function(lambda: producer.in_flight)
    # 3. The doors.
    desk = OrderDesk(producer, codec, answers)
    door = Door(
        hub=hub,
        desk=desk,
        tokens=tokens,
        tickets=tickets,
        database=database,
        symbols=symbols,
        metrics=metrics,
        per_account={},
    )

    async def search() -> None:
        await control.caught_up.wait()
        await stream.caught_up.wait()
        await _search(settings, codec, stream, hub, symbols)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        control.start()
        stream.start()
        searching = asyncio.create_task(search())
        yield
        searching.cancel()
        for reader in (control, stream):
            reader.close()
        producer.close()
        passwords.close()
        database.close()
        await valkey.aclose()

    application = make_application(lifespan)
    application.include_router(
        auth_routes.router(database=database, tokens=tokens, passwords=passwords, attempts=attempts, tickets=tickets)
    )
    application.include_router(orders_routes.router(database=database, tokens=tokens))
    application.include_router(market_routes.router(database=database, symbols=symbols, hub=hub))
    application.include_router(
        health_routes.router(_checks(producer, (control, stream), hub, database, valkey), metrics)
    )
    return Gateway(application, LeanOrders(desk, tokens), door, metrics)


def _in_loop(settings: Settings, codec: Codec) -> Gateway:
    asyncio.get_running_loop()  # uvicorn calls this where the parts may be made
    return build(settings, codec)


async def _search(settings: Settings, codec: Codec, stream: LogReader[Frame], hub: Hub, symbols: Symbols) -> None:
    """Look further back for what was not in the newest part of the stream."""
    loop = asyncio.get_running_loop()

    def found(frames: list[Frame]) -> None:
        loop.call_soon_threadsafe(hub.found, frames)

    while unknown := hub.unknown(symbols.names()):
        try:
            await loop.run_in_executor(None, look_back, settings, codec, unknown, stream.begins, found)
            break
        except KafkaException as error:
            _log.warning("search_failed", detail=error.args[0].str())
            await asyncio.sleep(SEARCH_AGAIN_S)
    hub.searched()


def _checks(
    producer: CommandProducer, readers: Sequence[LogReader[Any]], hub: Hub, database: Database, valkey: Valkey
) -> dict[str, Check]:
    async def kafka() -> str | None:
        return None if producer.broker_is_up else "no broker can be reached"

    async def stream() -> str | None:
        trouble = next((reader.trouble for reader in readers if reader.trouble), None)
        if trouble is not None:
            return trouble
        return None if hub.is_searched else "catching up with the log"

    async def postgresql() -> str | None:
        await database.rows(select(literal(1)))
        return None

    async def store() -> str | None:
        try:
            await valkey.ping()
        except (ValkeyError, OSError) as error:
            return str(error) or type(error).__name__
        return None

    return {"kafka": kafka, "stream": stream, "postgresql": postgresql, "valkey": store}


def _valkey(settings: Settings) -> Valkey:
    valkey: Valkey = Valkey.from_url(
        settings.valkey_url,
        socket_timeout=limits.VALKEY_TIMEOUT_S,
        socket_connect_timeout=limits.VALKEY_TIMEOUT_S,
        max_connections=limits.VALKEY_CONNECTIONS,
    )
    return valkey


def _listen(settings: Settings) -> socket.socket:
    """The socket to serve on. Raises SettingsError when it cannot be had."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"The gateway cannot listen on {settings.host} port {settings.port} ({error.strerror}); "
            "choose another port with GATEWAY_PORT."
        ) from error
    return listening


def _configure_logs() -> None:
    """One JSON object a line on the standard error, ours and the libraries'."""
    level = logging.getLevelNamesMapping().get(os.environ.get("LOG_LEVEL", "INFO").upper(), logging.INFO)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("uvicorn", "httpx"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))
