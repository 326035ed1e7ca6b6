import subprocess
import sys
from pathlib import Path

import pytest

from schemas import generated


@pytest.mark.parametrize("module", ["schemas.generate", "stream_topology.diagram", "gateway.catalogue"])
def test_what_is_generated_is_what_would_be_written(module: str) -> None:
    command = [sys.executable, "-m", module, "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stale_or_missing_file_is_noticed_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["generated", *arguments])
        return generated.main("toy.md", lambda: "new\n", "toys.make", tmp_path)

    assert run("--check") == 1
    (tmp_path / "toy.md").write_text("old\n")
    assert run("--check") == 1
    assert capsys.readouterr().err == "toy.md is stale: run `python -m toys.make`\n" * 2
    assert run() == 0
    assert (tmp_path / "toy.md").read_text() == "new\n"
    assert run("--check") == 0
