"""What stands in the logs of a worker and of the gateway: our own lines and the libraries' warnings, as JSON."""

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("configure", "library"),
    [
        ("from workers.shell.logging import configure; configure('INFO')", "aiokafka.consumer"),
        ("from gateway.server import _configure_logs; _configure_logs()", "uvicorn.access"),
    ],
    ids=["worker", "gateway"],
)
def test_what_a_library_does_as_usual_is_not_news(configure: str, library: str) -> None:
    talk = f"""
import logging
for name in ("tradsys.test", "{library}"):
    logging.getLogger(name).info("usual")
    logging.getLogger(name).warning("unusual")
"""
    done = subprocess.run([sys.executable, "-c", configure + talk], capture_output=True, text=True, check=True)
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["logger"], line["event"]) for line in said] == [
        ("tradsys.test", "usual"),
        ("tradsys.test", "unusual"),
        (library, "unusual"),
    ]
