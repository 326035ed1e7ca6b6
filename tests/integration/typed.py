"""`tradsys` as people type it: each command a process of its own, with its own words, environment, input and streams.

It is forked from a process that has imported all commands, since to import one takes longer than to do most of what
tests ask of it.
"""

import atexit
import importlib
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack, redirect_stdout, suppress
from functools import cache
from typing import Any

from tradsys import cli

COUNTED = {name: value for name, value in os.environ.items() if name == "COVERAGE_PROCESS_CONFIG"}
"""What makes these processes count coverage, which others that tests start are not told."""

_one_at_a_time = threading.Lock()


def tradsys(*words: str, environment: Mapping[str, str], typed: str = "") -> subprocess.CompletedProcess[str]:
    """What `python -m tradsys WORDS` did."""
    with ExitStack() as opened:
        streams = [opened.enter_context(tempfile.NamedTemporaryFile("w+")) for _ in range(3)]
        streams[0].write(typed)
        streams[0].flush()
        request = {
            "words": words,
            "environment": dict(environment),
            "streams": [stream.name for stream in streams],
        }
        with _one_at_a_time:
            server = _server()
            server.write(json.dumps(request) + "\n")
            server.flush()
            exit_code = int(server.readline())
        return subprocess.CompletedProcess(words, exit_code, streams[1].read(), streams[2].read())


@cache
def _server() -> Any:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=os.environ | COUNTED,
        )
    requests = ours.makefile("rw")
    ours.close()

    def end() -> None:
        requests.close()
        process.wait()

    atexit.register(end)
    return requests


def _serve(requests: Any) -> None:
    for name in cli.COMMANDS:
        importlib.import_module(f"tradsys.commands.{name}")
    sys.argv = ["tradsys", "topology"]
    with suppress(SystemExit), redirect_stdout(io.StringIO()):
        cli.main()  # for what is imported only then
    for line in requests:
        child = os.fork()
        if not child:
            requests.close()
            _run(**json.loads(line))
        requests.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        requests.flush()


def _run(words: list[str], environment: dict[str, str], streams: list[str]) -> None:
    for number, (name, mode) in enumerate(zip(streams, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True)):
        opened = os.open(name, mode)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["tradsys", *words]
    cli.main()
    sys.exit()


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])).makefile("rw"))
