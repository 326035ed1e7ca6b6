"""Ten minutes of bytes for the readers of JSON and of WebSocket frames, which reach ever more of their code."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
SECONDS = 600 // len(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_no_bytes_break_a_reader(target: str) -> None:
    pytest.importorskip("atheris", reason="atheris has no package for this platform")
    command = [sys.executable, "-m", "tests.fuzz", target, "--seconds", str(SECONDS)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-4_000:]
    assert "Done " in ran.stderr
