"""`tradsys up` and `down` as a user meets them, on a stack of this module's own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import valkey
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tradsys.stack.supervision import Supervision

TOPIC = "orders"
PARTS = {"kafka", "registry", "postgres", "valkey"}
RECOVERY_S_MAX = 60.0


class Platform:
    """One home directory and the commands on it."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tradsys", *arguments, "--home", str(home or self.home)]
        return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    def up(self, *arguments: str) -> None:
        done = self.run("up", "--only", "stack", *arguments)
        assert done.returncode == 0, done.stderr

    def down(self) -> None:
        assert self.run("down").returncode == 0

    def pids(self) -> dict[str, int]:
        parts = json.loads(self.run("status", "--json").stdout)["parts"]
        return {part["name"]: part["pid"] for part in parts if part["pid"]}

    @property
    def addresses(self) -> dict[str, Any]:
        recorded: dict[str, Any] = json.loads((self.home / "platform.json").read_text())
        return recorded

    def processes(self) -> list[psutil.Process]:
        """All that runs in or for this home, found without what `down` finds them by."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if str(self.home) in (process.cwd(), *process.cmdline()) or process.cwd().startswith(f"{self.home}/"):
                    found.append(process)
        return found


@pytest.fixture(scope="module")
def running() -> Iterator[Platform]:
    home = Path(tempfile.mkdtemp(prefix="tradsys life 100% it's é-"))
    platform = Platform(home)
    try:
        platform.up("--free-ports")
        yield platform
    finally:
        platform.run("down")
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def data(running: Platform) -> Callable[[], None]:
    """Puts one piece of data into each part; the function it gives fails where one is gone."""
    at = running.addresses
    admin = AdminClient({"bootstrap.servers": at["kafka_bootstrap"]})
    admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(10)
    producer = Producer({"bootstrap.servers": at["kafka_bootstrap"]})
    producer.produce(TOPIC, b"kept")
    assert producer.flush(10) == 0
    schema = json.dumps({"schema": '"string"'}).encode()
    schema_id = _json(f"{at['schema_registry_url']}/subjects/{TOPIC}-value/versions", schema)["id"]
    with psycopg.connect(at["db_dsn"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    with valkey.from_url(at["valkey_url"]) as client:
        client.set("kept", "1")
        client.waitaof(1, 0, 5000)

    def check() -> None:
        assert _first_value(at["kafka_bootstrap"]) == b"kept"
        assert _json(f"{at['schema_registry_url']}/subjects/{TOPIC}-value/versions/latest")["id"] == schema_id
        assert _json(f"{at['schema_registry_url']}/config")["compatibilityLevel"] == "BACKWARD_TRANSITIVE"
        with psycopg.connect(at["db_dsn"]) as connection:
            assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
        with valkey.from_url(at["valkey_url"]) as client:
            assert client.get("kept") == b"1"

    return check


def test_up_twice_changes_nothing(running: Platform) -> None:
    before = running.pids()
    assert before.keys() == PARTS
    running.up()
    assert running.pids() == before


def test_status_tells_each_part(running: Platform) -> None:
    done = running.run("status", "--json")
    assert done.returncode == 0
    said = json.loads(done.stdout)
    assert said["kafka_bootstrap"] == running.addresses["kafka_bootstrap"]
    for part in said["parts"]:
        if part["name"] not in PARTS:
            assert (part["state"], part["pid"]) == ("stopped", 0)
            continue
        assert part["state"] == "running"
        assert part["rss_bytes"] > 1_000_000
        assert part["uptime_s"] >= 0
        assert part["port"] == running.addresses["ports"][part["name"]]
    assert "password" not in done.stdout


def test_everything_listens_on_loopback_only(running: Platform) -> None:
    listening = {
        connection.laddr
        for process in running.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert len(listening) == 5
    assert {address[0].removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_a_port_in_use_is_refused_with_its_holder(running: Platform, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        done = running.run("up", "--only", "stack", "--free-ports", "--db-port", str(port), home=tmp_path)
    assert done.returncode == 1
    holder = f"{psutil.Process().name()} (pid {os.getpid()})"
    assert f"Port {port}, where postgres would listen, is in use by {holder}." in done.stderr
    assert "tradsys up --db-port PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_other_settings_need_a_restart(running: Platform) -> None:
    done = running.run("up", "--only", "stack", "--kafka-port", str(running.addresses["ports"]["kafka"] + 1))
    assert done.returncode == 1
    assert "runs with other settings" in done.stderr
    running.up()


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_killed_part_comes_back_with_its_data(running: Platform, data: Callable[[], None], part: str) -> None:
    before = running.pids()
    os.kill(before[part], signal.SIGKILL)
    _eventually(lambda: running.pids().get(part, before[part]) != before[part])
    running.up()
    data()
    after = running.pids()
    assert {name for name in PARTS if after[name] != before[name]} == {part}


def test_data_survive_down_and_up(running: Platform, data: Callable[[], None]) -> None:
    data()
    running.down()
    assert running.processes() == []
    running.up()
    data()


def test_a_home_around_this_one_has_none_of_its_processes(running: Platform) -> None:
    assert len(list(Supervision(running.home).processes())) >= len(PARTS)
    assert list(Supervision(running.home.parent).processes()) == []


def test_down_ends_what_a_killed_supervisor_left(running: Platform, data: Callable[[], None]) -> None:
    os.kill(int((running.home / "supervisord.pid").read_text()), signal.SIGKILL)
    assert len(running.processes()) >= len(PARTS)
    running.down()
    assert running.processes() == []
    running.up()
    data()


def test_up_mends_what_a_killed_supervisor_left(running: Platform, data: Callable[[], None]) -> None:
    os.kill(int((running.home / "supervisord.pid").read_text()), signal.SIGKILL)
    running.up()
    assert running.pids().keys() == PARTS
    data()


def test_a_part_that_cannot_start_is_named_with_its_last_lines(running: Platform) -> None:
    running.down()
    version = running.home / "postgres" / "data" / "PG_VERSION"
    kept = version.read_text()
    version.write_text("9\n")
    try:
        done = running.run("up", "--only", "stack")
    finally:
        version.write_text(kept)
    assert done.returncode == 1
    assert "postgres did not start" in done.stderr
    assert "PostgreSQL version 9" in done.stderr
    assert "Traceback" not in done.stderr
    running.up()


def test_fresh_starts_over(running: Platform) -> None:
    refused = running.run("up", "--only", "stack", "--fresh")
    assert refused.returncode == 1
    assert _first_value(running.addresses["kafka_bootstrap"]) == b"kept"
    running.up("--fresh", "--yes", "--free-ports")
    admin = AdminClient({"bootstrap.servers": running.addresses["kafka_bootstrap"]})
    assert TOPIC not in admin.list_topics(timeout=60).topics


def _first_value(bootstrap: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(TOPIC, 0, 0)])
        message = consumer.poll(20)
        return message.value() if message else None
    finally:
        consumer.close()


def _eventually(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + RECOVERY_S_MAX
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def _json(url: str, body: bytes | None = None) -> dict[str, Any]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
        parsed: dict[str, Any] = json.load(answer)
        return parsed
