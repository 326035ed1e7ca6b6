import json
import socket
import stat
from dataclasses import asdict
from pathlib import Path

import pytest

from tradsys.errors import CommandError
from tradsys.settings import LOOPBACK, Ports, default_home, free_ports, load, record


def test_defaults_are_the_well_known_ports(tmp_path: Path) -> None:
    settings = load(tmp_path, {})
    assert settings.kafka_bootstrap == "127.0.0.1:9092"
    assert settings.environment()["DB_PORT"] == "5432"
    assert settings.gateway_url == "http://127.0.0.1:8080"


def test_flags_go_before_the_environment_which_goes_before_the_record(tmp_path: Path) -> None:
    record(load(tmp_path, {}, flags={"kafka": 1001, "postgres": 1002, "valkey": 1003}))
    environ = {"KAFKA_BOOTSTRAP": "localhost:2001", "DB_PORT": "2002"}
    ports = load(tmp_path, environ, flags={"kafka": 3001}).ports
    assert (ports.kafka, ports.postgres, ports.valkey) == (3001, 2002, 1003)


def test_its_own_environment_gives_the_same_settings(tmp_path: Path) -> None:
    settings = load(tmp_path, {}, flags=free_ports())
    assert load(tmp_path, settings.environment()).environment() == settings.environment()


def test_free_ports_are_none_that_an_outgoing_connection_gets(tmp_path: Path) -> None:
    ports = load(tmp_path, {}, flags=free_ports()).ports
    assert all(15_000 <= port < 32_768 for port in asdict(ports).values())
    assert len(set(asdict(ports).values())) == len(asdict(ports))


def test_secrets_are_made_once_and_only_the_owner_reads_them(tmp_path: Path) -> None:
    first, again = load(tmp_path, {}), load(tmp_path, {})
    other = load(tmp_path / "other", {})
    assert first.secrets == again.secrets
    assert len({*asdict(first.secrets).values(), *asdict(other.secrets).values()}) == 10
    record(first)
    for name in ("secrets.json", "platform.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o700


def test_a_home_of_before_is_given_the_secret_that_it_lacks(tmp_path: Path) -> None:
    known = asdict(load(tmp_path, {}).secrets)
    del known["totp_keys"]
    (tmp_path / "secrets.json").write_text(json.dumps(known))
    given = asdict(load(tmp_path, {}).secrets)
    assert {name: given[name] for name in known} == known
    assert len(bytes.fromhex(given["totp_keys"])) == 32
    assert asdict(load(tmp_path, {}).secrets) == given


def test_spoilt_secrets_are_named_not_replaced(tmp_path: Path) -> None:
    load(tmp_path, {})
    (tmp_path / "secrets.json").write_text("{}")
    with pytest.raises(CommandError, match=r"secrets\.json does not hold"):
        load(tmp_path, {})
    assert json.loads((tmp_path / "secrets.json").read_text()) == {}


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"KAFKA_BOOTSTRAP": "kafka.example:9092"}, "KAFKA_BOOTSTRAP is 'kafka.example:9092', but this command runs"),
        ({"DB_HOST": "db.example"}, "DB_HOST is 'db.example'"),
        ({"DB_PORT": "many"}, "DB_PORT is 'many'; it must name a port from 1 to 65535"),
        ({"GATEWAY_PORT": "70000"}, "GATEWAY_PORT is '70000'"),
        ({"VALKEY_URL": "valkey://127.0.0.1:x/0"}, "VALKEY_URL is"),
        ({"TRADSYS_SHARDS": "0"}, "TRADSYS_SHARDS is '0'; it must be a whole number from 1 to"),
        ({"TRADSYS_INSTANCES": "matching"}, "TRADSYS_INSTANCES (--instances) has 'matching'; it must be STAGE=N"),
        ({"GATEWAY_PORT": "9401"}, "gateway and metrics cannot both listen on port 9401"),
        ({"GATEWAY_PORT": "9092"}, "kafka and gateway cannot both listen on port 9092"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(CommandError) as refusal:
        load(tmp_path, environ)
    assert sentence in refusal.value.sentence


def test_free_ports_are_free_and_differ() -> None:
    ports = free_ports()
    assert ports.keys() == asdict(Ports()).keys()
    assert len(set(ports.values())) == len(ports)
    with socket.create_server((LOOPBACK, ports["kafka"])):
        pass


def test_the_home_is_the_users_data_directory_unless_named() -> None:
    assert default_home({"XDG_DATA_HOME": "/data"}) == Path("/data/tradsys")
    assert default_home({"XDG_DATA_HOME": "/data", "TRADSYS_HOME": "/elsewhere"}) == Path("/elsewhere")
    assert default_home({}) == Path.home() / ".local/share/tradsys"
