"""supervisord with one difference: a process that ended is started again at once, not at the next second.

supervisord looks at its processes when something wakes it, and sleeps up to a second otherwise. The end of a process
wakes it once, to collect it; the restart waits for the next look. So here it looks again soon while a process has
ended, and its growing pause between failing starts has a limit. Run as `python -m tradsys.stack.supervisord -c FILE`.
"""

import sys
import time
from contextlib import suppress
from typing import Any, Final

from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.states import ProcessStates, SupervisorStates
from supervisor.supervisord import Supervisor

LOOK_AGAIN_S: Final = 0.02
BACKOFF_S_MAX: Final = 10.0


class PromptPoller:
    """The poller of supervisord, which waits only briefly while there is something to do besides input."""

    def __init__(self, poller: Any, supervisor: Supervisor) -> None:
        self._poller = poller
        self._supervisor = supervisor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._poller, name)

    def poll(self, timeout_s: float) -> Any:
        """Wait for input: `timeout_s` when all is quiet."""
        return self._poller.poll(LOOK_AGAIN_S if self._something_ended() else timeout_s)

    def _something_ended(self) -> bool:
        ended: bool = self._supervisor.options.mood < SupervisorStates.RUNNING
        for group in self._supervisor.process_groups.values():
            for process in group.processes.values():
                if process.state == ProcessStates.BACKOFF:
                    process.delay = min(process.delay, time.time() + BACKOFF_S_MAX)
                gone = process.pid and any(dispatcher.closed for dispatcher in process.dispatchers.values())
                ended |= bool(gone) or process.state in {ProcessStates.EXITED, ProcessStates.STOPPING}
        return ended


def main(arguments: list[str]) -> None:
    """Run until told to shut down."""
    options = ServerOptions()
    options.realize(arguments)
    options.first = True
    options.test = False
    supervisor = Supervisor(options)
    options.poller = PromptPoller(options.poller, supervisor)
    with suppress(ExitNow):
        supervisor.main()
    options.close_httpservers()
    options.close_logger()


if __name__ == "__main__":
    main(sys.argv[1:])
