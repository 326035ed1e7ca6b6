"""Files in the tree that are made by code: the command that writes one, or says that it is stale."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]


def main(name: str, render: Callable[[], str], module: str, root: Path = ROOT) -> int:
    """Write file `name` of the tree, or with --check compare it; `module` is what was run. Returns the exit code."""
    path = root / name
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=f"Write {name}.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    text = render()
    if not parser.parse_args().check:
        path.write_text(text, "utf-8")
        return 0
    if path.exists() and path.read_text("utf-8") == text:
        return 0
    sys.stderr.write(f"{name} is stale: run `python -m {module}`\n")
    return 1
