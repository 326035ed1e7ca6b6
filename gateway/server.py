"""Runs one gateway process until it is told to stop."""

import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import structlog
import uvicorn

from gateway import limits
from gateway.app import Gateway
from gateway.correlation import add_correlation
from gateway.protocol import HttpProtocol
from gateway.settings import Settings, SettingsError, load
from gateway.stream.protocol import StreamProtocol
from gateway.wiring import build
from schemas.registry import RegistryError, connect
from stream_topology.subjects import subjects


def serve() -> int:
    """Run with the settings of the environment; the exit code."""
    _configure_logs()
    try:
        settings = load()
        codec = connect(settings.schema_registry_url, subjects(settings.prefix))
        listening = _listen(settings)
    except (SettingsError, RegistryError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    gc.freeze()
    server = uvicorn.Server(server_config(lambda: build(settings, codec)))

    def stop(*_: object) -> None:
        server.should_exit = True

    # uvicorn raises the signal that stopped it once more when it is done; that is a clean end here.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server.run([listening])
    return 0 if server.started else 1


def server_config(make: Callable[[], Gateway]) -> uvicorn.Config:
    """How uvicorn serves a gateway, which it makes in its event loop."""
    return uvicorn.Config(
        make,
        factory=True,
        loop="uvloop",
        http=HttpProtocol,
        ws=StreamProtocol,
        ws_max_size=limits.WS_MESSAGE_BYTES_MAX,
        ws_ping_interval=limits.WS_PING_S,
        ws_ping_timeout=limits.WS_PING_S,
        ws_per_message_deflate=False,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        backlog=limits.BACKLOG,
        timeout_keep_alive=limits.KEEP_ALIVE_S,
        timeout_graceful_shutdown=limits.SHUTDOWN_S,
    )


def _listen(settings: Settings) -> socket.socket:
    """The socket to serve on. Raises SettingsError when it cannot be had."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"The gateway cannot listen on {settings.host} port {settings.port} ({error.strerror}); "
            "choose another port with GATEWAY_PORT."
        ) from error
    return listening


def _configure_logs() -> None:
    """One JSON object a line on the standard error, ours and the libraries'."""
    level = logging.getLevelNamesMapping().get(os.environ.get("LOG_LEVEL", "INFO").upper(), logging.INFO)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        add_correlation,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("uvicorn").setLevel(max(level, logging.WARNING))
