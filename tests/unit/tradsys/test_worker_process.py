"""What a worker's process loads, and what not."""

import os
import subprocess
import sys

import pytest

from stream_topology.stages import STAGES
from workers.shell.endings import Exit

LEFT_OUT = ("aiohttp", "alembic", "click", "croniter", "cryptography", "httpx", "pydantic", "rich", "yaml")


@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_loads_no_library_that_it_does_not_use(stage: str) -> None:
    code = f"""
import importlib, sys
from tradsys.worker_process import leave_out
leave_out()
importlib.import_module("workers.{stage}.app")
importlib.import_module("schemas.registry")
loaded = {{name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}}
print(*sorted(loaded & set({LEFT_OUT!r})))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_worker_without_its_registry_says_so_in_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tradsys.worker_process", "matching", "0"],
        env=os.environ | {"SCHEMA_REGISTRY_URL": "http://127.0.0.1:1", "METRICS_PORT": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == Exit.UNUSABLE, done.stderr
    assert done.stderr.startswith("matching: The schema registry at http://127.0.0.1:1 does not answer: "), done.stderr
