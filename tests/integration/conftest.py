"""A real stack for integration tests, once a session.

In this order: the addresses of the environment (TRADSYS_TEST_KAFKA, _REGISTRY, _DB, _VALKEY), containers where Docker
answers, the embedded stack in a directory of its own on free ports.
"""

import os
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from schemas import migrations
from tests.integration.homes import temporary_home
from tradsys import platform
from tradsys.settings import free_ports, load

ADDRESSES = ("TRADSYS_TEST_KAFKA", "TRADSYS_TEST_REGISTRY", "TRADSYS_TEST_DB", "TRADSYS_TEST_VALKEY")


@dataclass(frozen=True, slots=True)
class Stack:
    """Where the real parts are."""

    bootstrap: str
    registry_url: str
    """The Confluent API: http://host:port/apis/ccompat/v7."""
    db_dsn: str
    """postgresql://user:password@host:port/name; the user may create databases."""
    valkey_url: str


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    given = [os.environ.get(name) for name in ADDRESSES]
    if all(given):
        yield Stack(*map(str, given))
    elif any(given):
        pytest.fail(f"Name all of {', '.join(ADDRESSES)}, or none.")
    elif _docker_answers():
        with _containers() as addresses:
            yield addresses
    else:
        with _embedded() as addresses:
            yield addresses


@pytest.fixture
def topic_prefix() -> str:
    """Names that no other test uses: the stack outlives a test, and may outlive the session."""
    return f"test-{secrets.token_hex(4)}."


@pytest.fixture
def empty_database(stack: Stack) -> Iterator[str]:
    """A database without tables, for one test; its connection string."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(stack.db_dsn, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    try:
        yield make_conninfo(stack.db_dsn, dbname=name)
    finally:
        with psycopg.connect(stack.db_dsn, autocommit=True) as connection:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture
def database(empty_database: str) -> str:
    """A database with the tables of this release, for one test; its connection string."""
    migrations.upgrade(empty_database)
    return empty_database


@contextmanager
def _embedded() -> Iterator[Stack]:
    with temporary_home() as home:
        settings = load(home, {}, flags=free_ports())
        platform.up(settings, report=lambda _: None, only_stack=True)
        yield Stack(settings.kafka_bootstrap, settings.schema_registry_url, settings.db_dsn, settings.valkey_url)


def _docker_answers() -> bool:
    if not os.environ.get("DOCKER_HOST") and not Path("/var/run/docker.sock").exists():
        return False
    import docker  # noqa: PLC0415 - slow, and only here
    from docker.errors import DockerException  # noqa: PLC0415 - the same

    try:
        client = docker.from_env(timeout=2)
    except DockerException:
        return False
    client.close()
    return True


@contextmanager
def _containers() -> Iterator[Stack]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - slow, and only here
    from testcontainers.kafka import KafkaContainer  # noqa: PLC0415 - the same
    from testcontainers.postgres import PostgresContainer  # noqa: PLC0415 - the same

    registry_settings = {
        "APICURIO_CCOMPAT_USE_CANONICAL_HASH": "true",
        "APICURIO_RULES_GLOBAL_COMPATIBILITY": "BACKWARD_TRANSITIVE",
    }
    with ExitStack() as running:
        kafka = running.enter_context(KafkaContainer("confluentinc/cp-kafka:8.1.0").with_kraft())
        postgres = running.enter_context(PostgresContainer("postgres:18", driver=None))
        valkey = running.enter_context(DockerContainer("valkey/valkey:9").with_exposed_ports(6379))
        registry = DockerContainer("apicurio/apicurio-registry:3.0.9").with_exposed_ports(8080)
        for name, value in registry_settings.items():
            registry.with_env(name, value)
        running.enter_context(registry)
        registry_url = f"http://{registry.get_container_host_ip()}:{registry.get_exposed_port(8080)}/apis/ccompat/v7"
        _wait_for(f"{registry_url}/subjects")
        yield Stack(
            kafka.get_bootstrap_server(),
            registry_url,
            postgres.get_connection_url(),
            f"valkey://{valkey.get_container_host_ip()}:{valkey.get_exposed_port(6379)}/0",
        )


def _wait_for(url: str, *, seconds_max: float = 60.0) -> None:
    deadline_s = time.monotonic() + seconds_max
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own container
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.1)
        else:
            return
