"""docker-compose.yml: not run here, so its promises are read from it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stream_topology.stages import STAGES

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"provision"}


def test_every_part_is_there() -> None:
    assert {"kafka", "registry", "postgres", "valkey", "gateway", *STAGES} <= SERVICES.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_roots_are_read_only_and_health_is_checked(name: str) -> None:
    assert SERVICES[name]["read_only"] is True
    assert name in ONE_SHOT or SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", STAGES)
def test_each_stage_runs_its_own_worker(name: str) -> None:
    assert SERVICES[name]["command"] == ["worker", name]


@pytest.mark.parametrize("name", SERVICES)
def test_dependencies_exist_and_are_waited_for(name: str) -> None:
    for other, condition in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        expected = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
        assert condition == {"condition": expected}


def test_there_is_no_default_secret() -> None:
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if any(word in key for word in ("PASSWORD", "SECRET", "AUTH")):
                assert ":?" in value, f"{name}: {key} has a default"
    for line in (ROOT / ".env.example").read_text("utf-8").splitlines():
        assert line.startswith("#") or line.endswith("="), line


def test_only_the_gateway_is_reachable_and_only_from_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert list(published) == ["gateway"]
    assert all(port.startswith("127.0.0.1:") for port in published["gateway"])


def test_data_are_in_named_volumes() -> None:
    for name in ("kafka", "postgres"):
        volume = SERVICES[name]["volumes"][0].split(":")[0]
        assert volume in COMPOSE["volumes"]
