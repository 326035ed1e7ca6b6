"""What stands in the logs of a worker and of the gateway: our own lines and the libraries' warnings, as JSON."""

import json
import subprocess
import sys

import pytest

TALK = """
import logging
for name in ("tradsys.test", "httpx", "httpcore.http11"):
    logging.getLogger(name).info("usual")
    logging.getLogger(name).warning("unusual")
"""


@pytest.mark.parametrize(
    "configure",
    [
        "from workers.shell.logging import configure; configure('INFO')",
        "from gateway.server import _configure_logs; _configure_logs()",
    ],
    ids=["worker", "gateway"],
)
def test_each_request_of_the_http_client_is_not_news(configure: str) -> None:
    done = subprocess.run([sys.executable, "-c", configure + TALK], capture_output=True, text=True, check=True)
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["logger"], line["event"]) for line in said] == [
        ("tradsys.test", "usual"),
        ("tradsys.test", "unusual"),
        ("httpx", "unusual"),
        ("httpcore.http11", "unusual"),
    ]
