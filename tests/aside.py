"""`python -m tests.aside COMMAND...`: run a command on what everything else leaves of the cores.

Linux shares the cores between sessions first and then within each (sched_autogroup), so `nice` alone would give way to
what runs in the same session only, and a platform that a test started is a session of its own.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

LOWEST = 19
"""As `nice` and the kernel count, 19 is the least that can be had."""


def main(command: list[str]) -> None:
    """Become the command."""
    with suppress(OSError):  # it leads a group, which stays in its session; or the system shares otherwise
        os.setsid()
        Path("/proc/self/autogroup").write_text(str(LOWEST), "ascii")
    os.nice(LOWEST)
    os.execvp(command[0], command)  # noqa: S606 - no shell is what is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
