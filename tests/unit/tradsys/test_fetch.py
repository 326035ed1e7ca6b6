import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console

from tradsys.commands.fetching import fetch_with_progress
from tradsys.errors import CommandError
from tradsys.stack import fetch as fetching
from tradsys.stack.fetch import cache_directory, fetch, is_fetched, stack_directory

MAVEN = """\
#!/bin/sh
echo run >> "{runs}"
for argument in "$@"; do case $argument in -Ddestination=*) destination=${{argument#-Ddestination=}};; esac; done
mkdir -p "$destination/kafka"
echo "Downloaded from central: https://example.invalid/org/kafka-1.jar (2.5 MB at 1.1 MB/s)"
echo jar > "$destination/kafka/kafka-1.jar"
{rest}
"""


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for Maven, and counts how often it ran."""
    return _install(tmp_path, monkeypatch, "sleep 0.2")


def _install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rest: str) -> Path:
    programs = tmp_path / "bin"
    programs.mkdir()
    runs = tmp_path / "runs"
    (programs / "mvn").write_text(MAVEN.format(runs=runs, rest=rest))
    (programs / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return runs


def test_two_at_once_download_once(tmp_path: Path, maven: Path) -> None:
    cache = tmp_path / "cache"
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: fetch(cache, lambda *_: None), range(4)))
    assert set(found) == {stack_directory(cache)}
    assert maven.read_text().splitlines() == ["run"]
    assert (found[0] / "kafka" / "kafka-1.jar").read_text() == "jar\n"


def test_a_second_checkout_downloads_nothing(tmp_path: Path, maven: Path) -> None:
    arrived: list[tuple[str, int]] = []

    def report(file: str, size_bytes: int) -> None:
        arrived.append((file, size_bytes))

    assert not is_fetched(tmp_path / "cache")
    fetch(tmp_path / "cache", report)
    assert arrived == [("kafka-1.jar", 2_500_000)]
    fetch(tmp_path / "cache", report)
    assert is_fetched(tmp_path / "cache")
    assert len(arrived) == len(maven.read_text().splitlines()) == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_whoever_waits_sees_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> None:
    megabytes = 'echo "Downloaded from central: https://example.invalid/a/registry-1.jar (108 MB at 9.9 MB/s)"'
    _install(tmp_path, monkeypatch, megabytes)
    monkeypatch.setenv("TRADSYS_CACHE", str(tmp_path / "cache"))
    shown = io.StringIO()
    console = Console(
        file=shown, force_terminal=terminal, force_interactive=terminal, width=120, no_color=True, highlight=False
    )
    fetch_with_progress(console)
    assert "about 170.0 MB, once" in shown.getvalue()
    assert ("110.5/170.0 MB registry-1.jar" in shown.getvalue()) is terminal
    assert ("110.5 MB of about 170.0 MB: registry-1.jar\nFetched.\n" in shown.getvalue()) is not terminal
    before = shown.getvalue()
    fetch_with_progress(console)
    assert shown.getvalue() == before  # nothing to fetch, nothing to say


def test_other_versions_have_a_place_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = stack_directory(tmp_path)
    poms = tmp_path / "poms"
    poms.mkdir()
    (poms / "pom.xml").write_text("<project/>")
    monkeypatch.setattr(fetching, "POMS", poms)
    assert stack_directory(tmp_path) != ours


def test_a_failed_download_says_why_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, monkeypatch, 'echo "[ERROR] Failed to execute goal: no route to host"; exit 1')
    with pytest.raises(CommandError) as refusal:
        fetch(tmp_path / "cache", lambda *_: None)
    assert refusal.value.sentence.endswith("[ERROR] Failed to execute goal: no route to host")
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == ["fetch.lock"]


def test_without_maven_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match=r"there is no `mvn` on the PATH.*apt-get install maven"):
        fetch(tmp_path / "cache", lambda *_: None)


def test_the_cache_is_the_users_unless_named() -> None:
    assert cache_directory({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/tradsys")
    assert cache_directory({"XDG_CACHE_HOME": "/cache", "TRADSYS_CACHE": "/elsewhere"}) == Path("/elsewhere")
