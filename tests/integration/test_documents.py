"""Every command and snippet of the documents works as it stands there, in the order in which a reader types them."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from tradsys.cli import COMMANDS
from tradsys.settings import load

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

RUN_HERE = {"make demo"}
RUN_ELSEWHERE = {
    ("CONTRIBUTING.md", "python"): "tests/simulation/test_contributing.py takes all of them, and no more than it knows",
    ("docs/api.md", "console"): "tests/unit/gateway/test_api_page.py asks a gateway",
    ("docs/api.md", "json"): "the same test compares the answers",
    ("docs/client.md", "python"): "tests/integration/test_client.py runs them on a whole platform",
    ("docs/client.md", "text"): "the same test compares what they print",
    ("docs/operating.md", "console"): "tests/integration/test_operator.py types them on a log of its own",
    ("docs/security.md", "console"): "tests/integration/test_gateway.py asks a gateway",
    ("docs/security.md", "json"): "the same test compares the answers",
    ("docs/stream.md", "dialog"): "tests/unit/gateway/test_stream_page.py says them to a gateway",
    ("docs/stream.md", "json"): "tests/unit/gateway/test_session.py makes a client slow and is told so",
    ("docs/trading.md", "ladder"): "tests/unit/matching/test_trading_page.py asks the book",
    ("docs/topology.md", "mermaid"): "tests/unit/stream_topology/test_diagram.py renders it again and compares",
}
NOT_RUN = {
    "make test": "it is what runs this test",
    "make setup": "`make test` has run it before this test",
    "make check": "`make test` has run it before this test",
    "make bench": "it measures for many minutes, on a machine that does nothing else",
    "make mutations": "it runs the cores' tests dozens of times, each on other code",
    "make chaos": "it does for half an hour what tests/chaos does in a minute",
    "kill -9 any pid that it shows, and look again": "prose; tests/chaos kills each of them",
}
PICTURES = {"README.md", "docs/architecture.md"}
"""They have a mermaid block: nothing here draws it."""

EVENTS = 1_500
ENOUGH = f"--events {EVENTS} --rate 500 --free-ports"
"""For `make demo`, which takes ARGS from the environment too: shorter, and beside whatever else runs here."""


class Block(NamedTuple):
    document: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The lines without their comments."""
        lines = (line.partition(" #")[0].strip() for line in self.text.splitlines())
        return [line for line in lines if line]


def blocks() -> Iterator[Block]:
    for path in DOCUMENTS:
        for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text("utf-8"), re.DOTALL | re.MULTILINE):
            yield Block(path.relative_to(ROOT).as_posix(), language, text)


def asides() -> Iterator[tuple[str, list[str]]]:
    """The commands that stand within sentences."""
    for path in DOCUMENTS:
        prose = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        for code in re.findall(r"`([^`]+)`", prose):
            words = code.split()
            if len(words) > 1 and words[0] in {"make", "tradsys", ".venv/bin/tradsys", "python"}:
                yield path.relative_to(ROOT).as_posix(), words


def type_in(command: str, **environment: str) -> str:
    """What a reader's shell shows, with the environment that setting up has made. Fails where the command fails."""
    words = shlex.split(command)
    if words[0] == "make":
        words[1:1] = ["--no-print-directory", "--old-file=setup", f"VENV={sys.prefix}"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        words, cwd=ROOT, env={**os.environ, "PATH": path, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def lose_a_row(home: Path) -> None:
    with psycopg.connect(load(home).db_dsn) as connection:
        connection.execute("DELETE FROM trades WHERE trade_id = (SELECT max(trade_id) FROM trades)")


def test_every_block_is_run_or_is_listed_with_the_reason() -> None:
    for block in blocks():
        where = f"{block.document}: no test runs this {block.language or 'untitled'} block:\n{block.text}"
        if block.language in {"console", "sh"} and (block.document, block.language) not in RUN_ELSEWHERE:
            assert set(block.commands) <= RUN_HERE | NOT_RUN.keys(), where
        elif block.language == "mermaid" and block.document in PICTURES:
            continue
        else:
            assert (block.document, block.language) in RUN_ELSEWHERE, where


def test_what_sentences_name_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    found = list(asides())
    assert len(found) > 10
    for document, (program, *words) in found:
        command = words[0]
        if program == "make":
            assert command in targets, (document, words)
        elif program == "python":
            assert command == "-m", (document, words)
            assert importlib.util.find_spec(words[1]), (document, words)
        elif command != "--help":
            assert command in COMMANDS, (document, words)
            options = {word for word in words if word.startswith("--")}
            assert not options or all(option in type_in(f"tradsys {command} --help") for option in options)


def test_the_first_look() -> None:
    said = type_in("make demo ARGS=--in-memory")
    assert "events through every stage" in said
    assert "make demo ARGS=--in-memory" in {" ".join(words) for _, words in asides()}


@pytest.mark.timeout(600)
def test_the_demo_and_what_it_tells_to_try() -> None:
    home = Path(tempfile.mkdtemp(prefix="tradsys-documents-"))
    try:
        said = type_in("make demo", ARGS=f"--keep --home {home} {ENOUGH}", COLUMNS="300")
        assert "The platform runs" in said
        _, _, advice = said.partition("Try:\n")
        advised = [line.strip() for line in advice.splitlines() if line.strip()]
        assert [line.split()[0] for line in advised] == [
            *("curl", "curl", "TOKEN=$(curl", "curl"),
            *("tradsys", "kill", "tradsys", "tradsys", "tradsys"),
        ]
        again = [sys.executable, "-m", "tradsys", "demo", "--synthetic", "1", "--home", str(home)]
        refused = subprocess.run(again, capture_output=True, text=True, check=False)
        assert refused.returncode != 0
        assert f"`tradsys down --home {home}`" in " ".join(refused.stderr.split())
        advised[2:4] = [shlex.join(["bash", "-c", "; ".join(advised[2:4])])]
        *advised, end = advised
        book, candles, order, status, audit, _ = [type_in(line) for line in advised if line not in NOT_RUN]
        assert '"bids"' in book
        assert '"open"' in candles
        assert '"kind":"new"' in order
        assert all(part in status for part in ("kafka", "matching", "gateway"))
        assert "Everything agrees." in audit
        lose_a_row(home)
        again = [sys.executable, "-m", *shlex.split(advised[-2])]
        audited = subprocess.run(again, capture_output=True, text=True, check=False)
        assert audited.returncode == 1
        assert "rows: trades: " in audited.stdout
        assert type_in(end).startswith("Stopped ")
    finally:
        subprocess.run([sys.executable, "-m", "tradsys", "down", "--home", str(home)], check=True, capture_output=True)
        shutil.rmtree(home)
