"""The registry's client, against a server that says what it was asked."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from schemas.registry import Registry, RegistryError


class Server(ThreadingHTTPServer):
    """Gives every subject one version, and counts connections."""

    def __init__(self) -> None:
        self.connections: list[socket.socket] = []
        self.logins: list[str | None] = []
        self.answer = json.dumps({"id": 7, "schema": "{}"}).encode()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.append(self.connection)

    def do_GET(self) -> None:
        self.server.logins.append(self.headers["Authorization"])
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_one_connection_serves_all_questions_and_another_when_it_was_closed_meanwhile(server: Server) -> None:
    with Registry(f"http://127.0.0.1:{server.server_port}/api/") as registry:
        assert registry.version("subject", "latest") == (7, "{}")
        assert registry.version("subject", 1) == (7, "{}")
        assert len(server.connections) == 1
        server.connections[0].shutdown(socket.SHUT_RDWR)
        assert registry.version("subject", 1) == (7, "{}")
        assert len(server.connections) == 2


def test_user_and_password_of_the_address_are_sent(server: Server) -> None:
    with Registry(f"http://me:a%40b@127.0.0.1:{server.server_port}") as registry:
        registry.versions("subject")
    assert server.logins == ["Basic bWU6YUBi"]


def test_something_else_than_json_is_said(server: Server) -> None:
    server.answer = b"<html>"
    address = f"http://127.0.0.1:{server.server_port}"
    with (
        Registry(address) as registry,
        pytest.raises(RegistryError, match="something else than JSON; is it a registry"),
    ):
        registry.versions("subject")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("ftp://127.0.0.1:1", "must begin with http:// or https://"),
        ("http://127.0.0.1:port", "Port could not be cast to integer"),
        ("http://127.0.0.1:1", "refused"),
        ("localhost:8081", "must begin with http:// or https://"),
    ],
)
def test_an_address_that_cannot_be_asked_is_said(address: str, why: str) -> None:
    with Registry(address) as registry, pytest.raises(RegistryError, match=why) as caught:
        registry.probe()
    assert address in str(caught.value)


def test_a_registry_that_does_not_answer_in_time_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address: Any = silent.getsockname()
        registry = Registry(f"http://127.0.0.1:{address[1]}", timeout_s=0.05)
        with registry, pytest.raises(RegistryError, match="does not answer: timed out"):
            registry.probe()
