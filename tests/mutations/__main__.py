"""Makes each mistake of `mutations.py` in a copy of the project, and sees whether the tests notice.

usage: python -m tests.mutations [--json] [--only TEXT]

First the tests must pass without any. Exit code 1: fewer than 95 % were noticed, or one could not be made; 2: the tests
fail anyway. Two run at a time.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from rich.console import Console
from rich.progress import Progress

from tests.mutations.mutation import Mutation
from tests.mutations.mutations import MUTATIONS

ROOT = Path(__file__).parents[2]
AT_ONCE = 2
NOTICED_MIN = 0.95
TEST_S_MAX = 300
FAILED = 1
"""Exit code of pytest when a test failed; others say that it could not try."""

TESTS = {
    "workers/matching": ("tests/unit/matching", "tests/property/test_sessions.py", "tests/property/test_matching.py"),
    "workers/risk": ("tests/unit/risk", "tests/property/test_risk_funds.py"),
    "workers/positions": ("tests/unit/positions", "tests/property/test_positions_money.py"),
    "workers/statistics": ("tests/unit/statistics", "tests/property/test_statistics.py"),
    "workers/kernel": ("tests/unit/kernel", "tests/unit/risk"),
    "workers/portfolios": ("tests/unit/portfolios", "tests/property/test_portfolios.py"),
    "gateway/stream": (
        "tests/unit/gateway/test_hub.py",
        "tests/unit/gateway/test_outbox.py",
        "tests/unit/gateway/test_replays.py",
        "tests/unit/gateway/test_session.py",
        "tests/property/test_stream_protocol.py",
    ),
    "gateway/pressure.py": ("tests/unit/gateway/test_pressure.py",),
    "gateway/orders/desk.py": ("tests/unit/gateway/test_pressure.py",),
    "gateway/pairs": ("tests/unit/gateway/test_symbol_pairs.py",),
    "gateway/decisions.py": ("tests/unit/gateway/test_symbol_pairs.py",),
    "gateway/idempotency.py": ("tests/unit/gateway/test_idempotency.py",),
    "gateway/admin": ("tests/unit/gateway/test_admin.py", "tests/unit/gateway/test_admin_conflicts.py"),
    "gateway/auth": (
        "tests/unit/gateway/test_tokens.py",
        "tests/unit/gateway/test_passwords.py",
        "tests/unit/gateway/test_revocations.py",
        "tests/unit/gateway/test_keys.py",
        "tests/unit/gateway/test_totp.py",
        "tests/unit/gateway/test_admin.py",
    ),
    "gateway/rights.py": ("tests/unit/gateway/test_rights.py", "tests/unit/gateway/test_session.py"),
    "tradsys/client": ("tests/unit/client",),
    "schemas": ("tests/unit/schemas", "tests/unit/risk", "tests/unit/matching"),
}
"""By folder: the tests that should notice, quick ones first."""


def main() -> int:
    """Try all, and say which were not noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the result for a machine")
    parser.add_argument("--only", default="", help="those whose name holds this text")
    chosen = parser.parse_args()
    tried = [mutation for mutation in MUTATIONS if chosen.only in mutation.name]
    copies: SimpleQueue[Path] = SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="tradsys-mutations-") as directory:
        first, *others = [_copy(Path(directory) / str(number)) for number in range(AT_ONCE)]
        for copy in (first, *others):
            copies.put(copy)
        console = Console(stderr=True)
        with Progress(console=console) as progress, ThreadPoolExecutor(AT_ONCE) as pool:
            task = progress.add_task("mistakes", total=len(tried))

            def attempt(mutation: Mutation) -> str:
                copy = copies.get()
                try:
                    return _attempt(copy, mutation)
                finally:
                    copies.put(copy)
                    progress.advance(task)

            right = {_tests(mutation) for mutation in tried}
            for failed in filter(None, pool.map(_passes, sorted(right), [first] * len(right))):
                console.print(f"Without any mistake the tests fail:\n{failed}")
                return 2
            outcomes = dict(zip((mutation.name for mutation in tried), pool.map(attempt, tried), strict=True))
    noticed = sum(outcome == "noticed" for outcome in outcomes.values())
    missed = {name: outcome for name, outcome in outcomes.items() if outcome != "noticed"}
    if chosen.json:
        print(json.dumps({"tried": len(tried), "noticed": noticed, "others": missed}))  # noqa: T201 - its result
    else:
        console.print(f"{noticed} of {len(tried)} mistakes were noticed.")
        for name, outcome in missed.items():
            console.print(f"{name}: {outcome}")
    made = all(outcome in {"noticed", "survived"} for outcome in outcomes.values())
    return 0 if made and noticed >= NOTICED_MIN * len(tried) else 1


def _copy(copy: Path) -> Path:
    """The project as it stands here, without what git does not track, but with the compiled codec."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    files = listed.stdout.splitlines()
    for name in (*files, *(str(path.relative_to(ROOT)) for path in (ROOT / "schemas").glob("_avro*.so"))):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    return copy


def _attempt(copy: Path, mutation: Mutation) -> str:
    file = copy / mutation.file
    right = file.read_text("utf-8")
    if right.count(mutation.right) != 1:
        return f"cannot be made: its text stands {right.count(mutation.right)} times in {mutation.file}"
    file.write_text(right.replace(mutation.right, mutation.wrong), "utf-8")
    try:
        done = _test(copy, _tests(mutation))
    except subprocess.TimeoutExpired:
        return "noticed"
    finally:
        file.write_text(right, "utf-8")
    if done.returncode == FAILED:
        return "noticed"
    return "survived" if done.returncode == 0 else f"could not be tried: {done.stdout[-300:]}"


def _tests(mutation: Mutation) -> tuple[str, ...]:
    return next(tests for folder, tests in TESTS.items() if mutation.file.startswith(folder))


def _passes(tests: tuple[str, ...], copy: Path) -> str:
    """Empty if the tests pass, else what they say."""
    done = _test(copy, tests)
    return "" if done.returncode == 0 else done.stdout[-2_000:]


def _test(copy: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False, timeout=TEST_S_MAX)


if __name__ == "__main__":
    sys.exit(main())
