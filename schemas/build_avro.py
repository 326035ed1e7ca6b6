"""Compiles `schemas/_avro.c` with the compiler that Python was built with, or the one that CC names.

Usage: `python -m schemas.build_avro [--check]` builds it in place; installing the project does that by itself. With
--check nothing is built; if it is missing, what that means is printed.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parent / "_avro.c"
TIMEOUT_S: Final = 120

WITHOUT: Final = (
    "TradSys is installed without its C codec. All works, but records are written and read a hundred times slower. "
    "To have it, install a C compiler and Python's headers (Debian, Ubuntu: `apt-get install gcc python3-dev`; macOS: "
    "`xcode-select --install`) and install TradSys again."
)


class BuildError(Exception):
    """The extension could not be built; the text says why."""


def library_name() -> str:
    """The file that this Python imports as `schemas._avro`."""
    return f"_avro{sysconfig.get_config_var('EXT_SUFFIX')}"


def build(directory: Path) -> Path:
    """Compile into a directory and return the file. Raises BuildError.

    An older file is replaced in one step: processes that run keep the one that they have loaded. When the build fails
    it is removed, since it was made from another source.
    """
    target = directory / library_name()
    try:
        with tempfile.TemporaryDirectory(prefix=".avro-", dir=directory) as scratch:
            draft = Path(scratch) / target.name
            _compile(draft)
            draft.replace(target)
    except BuildError:
        target.unlink(missing_ok=True)
        raise
    return target


def _compile(target: Path) -> None:
    linker = shlex.split(sysconfig.get_config_var("LDSHARED") or "")
    if chosen := os.environ.get("CC"):
        linker[:1] = shlex.split(chosen)
    if not linker or shutil.which(linker[0]) is None:
        raise BuildError(f"there is no C compiler ({linker[0] if linker else 'none is known for this Python'})")
    flags = shlex.split(sysconfig.get_config_var("CCSHARED") or "")
    include = sysconfig.get_path("include")
    command = [*linker, "-O2", "-g0", *flags, f"-I{include}", str(SOURCE), "-o", str(target)]
    try:
        done = subprocess.run(  # noqa: S603 - the user's own compiler
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{shlex.join(command)} could not be run: {error}") from error
    if done.returncode:
        raise BuildError(f"{shlex.join(command)} failed; are Python's headers installed?\n{done.stderr.strip()}")


def main() -> int:
    """Build in place, or tell what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="only say what it means if the extension is missing")
    if parser.parse_args().check:
        if not (SOURCE.parent / library_name()).exists():
            sys.stdout.write(f"{WITHOUT}\n")
        return 0
    try:
        build(SOURCE.parent)
    except BuildError as error:
        sys.stderr.write(f"schemas/_avro.c was not built: {error}\n{WITHOUT}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
