"""How the parts of one gateway process hang together."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import structlog
from confluent_kafka import KafkaException
from fastapi import FastAPI
from sqlalchemy import literal, select
from valkey.asyncio import Valkey
from valkey.exceptions import ValkeyError

from gateway import catalogue, limits, swagger
from gateway.admin import routes as admin_routes
from gateway.admin import sessions as session_routes
from gateway.admin.desk import AdminDesk
from gateway.admin.users import users_router
from gateway.app import Gateway
from gateway.auth import enrolment, key_routes
from gateway.auth import routes as auth_routes
from gateway.auth.attempts import Attempts
from gateway.auth.callers import Callers
from gateway.auth.enrolment import Enrolments
from gateway.auth.keys import ApiKeys, Network
from gateway.auth.logins import Logins
from gateway.auth.passwords import Passwords
from gateway.auth.revocations import Revocations
from gateway.auth.sessions import Sessions
from gateway.auth.signing_keys import SigningKeys
from gateway.auth.tickets import Tickets
from gateway.auth.tokens import Tokens
from gateway.auth.totp import SecondFactor, Vault
from gateway.breakers import Breaker
from gateway.broker import UNREACHABLE
from gateway.database import Database, database_is_away
from gateway.decisions import DecisionDesk
from gateway.framework import make_application
from gateway.guard import Budgets, Guard
from gateway.health import routes as health_routes
from gateway.health.checks import Check, Health
from gateway.idempotency import Repeats
from gateway.lean import LeanRoutes
from gateway.market import books
from gateway.market import routes as market_routes
from gateway.market.symbols import Symbols
from gateway.metrics import Metrics
from gateway.orders import history
from gateway.orders import routes as orders_routes
from gateway.orders.answers import Answers
from gateway.orders.desk import CommandLog, OrderDesk
from gateway.orders.lean import LeanOrders
from gateway.pairs import routes as pairs_routes
from gateway.pairs.pairs import Pairs
from gateway.pressure import KafkaCommands, Pressure
from gateway.producer import CommandProducer
from gateway.rates import Rates, shared
from gateway.reader import WINDOW_MS, LogReader, look_back
from gateway.settings import Settings
from gateway.stores import open_valkey, valkey_is_away
from gateway.stream.door import Door
from gateway.stream.hub import Hub
from gateway.stream.replays import Replays, read_back
from gateway.stream.shares import Shares
from schemas.codec import Codec
from schemas.messages import Control, Frame
from stream_topology.decisions import write_decisions

SEARCH_AGAIN_S: Final = 1.0

_log: Final = structlog.get_logger("gateway")

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the doors of a gateway are made from."""

    log: CommandLog
    codec: Codec
    answers: Answers
    pressure: Pressure
    hub: Hub
    replays: Replays
    symbols: Symbols
    signing_keys: SigningKeys
    pairs: Pairs
    admin: AdminDesk
    admin_networks: Sequence[Network]
    tokens: Tokens
    revocations: Revocations
    passwords: Passwords
    attempts: Attempts
    vault: Vault
    tickets: Tickets
    database: Database
    identity: Database
    """For logins, sessions and keys, which stand in no queue with lists."""
    metrics: Metrics
    rates: Rates
    repeats: Repeats
    budgets: Budgets
    origins: Sequence[str]
    checks: Mapping[str, Check]


def assemble(parts: Parts, lifespan: Lifespan) -> Gateway:
    """The ASGI application over these parts."""
    desk = OrderDesk(parts.log, parts.codec, parts.answers, parts.pressure)
    keys = ApiKeys(parts.identity, parts.revocations)
    callers = Callers(parts.tokens, keys, parts.revocations, parts.admin_networks)
    guard = Guard(parts.rates, callers.of_header, budgets=parts.budgets, origins=parts.origins)
    door = Door(
        hub=parts.hub,
        replays=parts.replays,
        desk=desk,
        callers=callers,
        revocations=parts.revocations,
        tickets=parts.tickets,
        database=parts.database,
        symbols=parts.symbols,
        metrics=parts.metrics,
        guard=guard,
        shares=Shares(),
    )
    second_factor = SecondFactor(parts.identity, parts.attempts, parts.vault)
    logins = Logins(parts.identity, parts.passwords, parts.attempts, second_factor)
    application = make_application(lifespan, callers)
    application.include_router(
        auth_routes.router(
            logins=logins,
            sessions=Sessions(parts.identity, parts.revocations),
            tokens=parts.tokens,
            tickets=parts.tickets,
        )
    )
    application.include_router(enrolment.router(Enrolments(parts.identity, logins, parts.vault)))
    application.include_router(key_routes.router(keys))
    application.include_router(key_routes.signing_router(parts.signing_keys))
    application.include_router(orders_routes.router(parts.database, parts.symbols))
    application.include_router(history.router(parts.database))
    application.include_router(market_routes.router(database=parts.database, symbols=parts.symbols))
    application.include_router(pairs_routes.router(parts.pairs, parts.symbols, parts.database))
    application.include_router(admin_routes.router(parts.admin))
    application.include_router(session_routes.router(parts.admin))
    application.include_router(admin_routes.limits_router(parts.admin))
    application.include_router(users_router(parts.identity))
    application.include_router(health_routes.router(Health(parts.checks), parts.metrics))
    application.include_router(catalogue.router())
    application.include_router(swagger.router(application.openapi))
    lean = LeanRoutes(
        {
            **LeanOrders(desk, guard).handlers(),
            books.BOOK + "{symbol}": {"GET": books.Books(parts.symbols, parts.hub).get},
            health_routes.LIVE: {"GET": health_routes.live},
        }
    )
    return Gateway(application, lean, door, guard, parts.repeats, parts.metrics)


def build(settings: Settings, codec: Codec) -> Gateway:
    """A gateway on the real log and stores; made in the running event loop, and stopped with the lifespan."""
    # 1. What is shared: stores, tokens, metrics.
    metrics = Metrics()
    breakers = make_breakers(metrics)
    database = Database(settings.database, breakers.lists, answer_ms=settings.answer_ms)
    valkey = open_valkey(settings.valkey_url, breakers.valkey, answer_ms=settings.answer_ms)
    identity = Database(
        settings.database, breakers.identity, limits.IDENTITY_DB_CONNECTIONS, answer_ms=settings.answer_ms
    )
    upkeep = Database(settings.database, breakers.upkeep, limits.UPKEEP_DB_CONNECTIONS, answer_ms=settings.answer_ms)
    probed = open_valkey(
        settings.valkey_url, breakers.probed, limits.UPKEEP_VALKEY_CONNECTIONS, answer_ms=settings.answer_ms
    )
    passwords = Passwords()
    revocations = Revocations(settings.jwt_expiry_s)
    # 2. The log: commands out, control and frames in.
    answers = Answers()
    hub = Hub(answers.saw)
    symbols = Symbols()
    producer = CommandProducer(settings)
    metrics.in_flight.set_function(lambda: producer.in_flight)
    pressure = Pressure(settings.shards, settings.risk_lag_s, lambda: producer.in_flight)
    metrics.risk_behind.set_function(pressure.behind_s)

    decide = partial(write_decisions, settings.kafka_bootstrap, settings.prefix, settings.shards)
    decisions = DecisionDesk(
        codec, decide, lambda: producer.broker_is_up and control.caught_up.is_set() and not control.trouble
    )
    signing_keys = SigningKeys(decisions, settings.seal_key)
    pairs = Pairs(decisions)
    admin = AdminDesk(decisions)

    def decided(controls: list[Control], _: list[int]) -> None:
        symbols.apply_all(controls)
        signing_keys.apply_all(controls)
        pairs.apply_all(controls)
        admin.apply_all(controls)
        decisions.apply_all(controls)

    def take(frames: list[Frame], offsets: list[int]) -> None:
        metrics.frames_in.inc(len(frames))
        hub.apply(frames, offsets)

    control = LogReader(settings, codec, "control", Control, decided, partitions=[0], window_ms=None)
    stream = LogReader(settings, codec, "stream", Frame, take, partitions=range(settings.shards), window_ms=WINDOW_MS)

    async def search() -> None:
        await control.caught_up.wait()
        await stream.caught_up.wait()
        await _search(settings, codec, stream, hub, symbols)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        control.start()
        stream.start()
        tasks = [
            asyncio.create_task(pressure.follow(KafkaCommands(settings))),
            asyncio.create_task(search()),
            asyncio.create_task(revocations.follow(upkeep)),
        ]
        yield
        for task in tasks:
            task.cancel()
        for reader in (control, stream):
            reader.close()
        await parts.replays.close()
        producer.close()
        passwords.close()
        for opened in (database, identity, upkeep):
            opened.close()
        for client in (valkey, probed):
            await client.aclose()

    # 3. The doors.
    parts = Parts(
        log=producer,
        codec=codec,
        answers=answers,
        pressure=pressure,
        hub=hub,
        replays=Replays(hub, partial(read_back, settings, codec), stream.begins, stream.caught_up, settings.shards),
        symbols=symbols,
        signing_keys=signing_keys,
        pairs=pairs,
        admin=admin,
        admin_networks=settings.admin_networks,
        tokens=Tokens(settings.token_keys, settings.jwt_expiry_s),
        revocations=revocations,
        passwords=passwords,
        attempts=Attempts(valkey, settings.prefix),
        vault=Vault(settings.totp_keys),
        tickets=Tickets(valkey, settings.prefix),
        database=database,
        identity=identity,
        metrics=metrics,
        repeats=Repeats(valkey, settings.prefix),
        rates=Rates(shared(valkey, settings.prefix)),
        budgets=settings.budgets,
        origins=settings.cors_origins,
        checks=_checks(producer, (control, stream), hub, upkeep, probed) | {"sessions": revocations.trouble},
    )
    return assemble(parts, lifespan)


class Breakers(NamedTuple):
    """One for each pool: what is slow for one of them says nothing of the others."""

    lists: Breaker
    identity: Breaker
    upkeep: Breaker
    valkey: Breaker
    probed: Breaker


def make_breakers(metrics: Metrics) -> Breakers:
    """Those of one process, which the metrics tell of."""
    made = Breakers(
        *(Breaker(name, database_is_away) for name in ("postgresql", "postgresql_identity", "postgresql_upkeep")),
        *(Breaker(name, valkey_is_away) for name in ("valkey", "valkey_probes")),
    )
    metrics.watch(*made)
    return made


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
        return None if producer.broker_is_up else UNREACHABLE

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
