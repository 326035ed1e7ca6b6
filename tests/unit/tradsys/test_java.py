from pathlib import Path

import pytest

from tradsys.errors import CommandError
from tradsys.stack.java import find_java


def _install(directory: Path, banner: str) -> Path:
    program = directory / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{banner}' >&2\n")
    program.chmod(0o755)
    return program


def test_no_java_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match=r"no `java` on the PATH.*openjdk-17-jre-headless"):
        find_java()


@pytest.mark.parametrize("version", ["11.0.22", "1.8.0_402"])
def test_an_old_java_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    program = _install(tmp_path, f'openjdk version "{version}" 2024-01-16')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(CommandError) as refusal:
        find_java()
    assert f"needs Java 17 or newer, and {program} is version {version.removeprefix('1.')[:2].strip('.')}" in str(
        refusal.value
    )


def test_a_java_home_without_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(CommandError, match=r"JAVA_HOME .* has no bin/java"):
        find_java()


def test_archives_of_another_version_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprints = set()
    for version in ("17.0.15", "17.0.16", "21"):
        _install(tmp_path / version, f'openjdk version "{version}" 2025-04-15')
        monkeypatch.setenv("JAVA_HOME", str(tmp_path / version))
        fingerprints.add(find_java().fingerprint)
    assert len(fingerprints) == 3
