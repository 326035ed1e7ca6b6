"""The codec with ids of a real registry: outages, and writers of other releases."""

import copy
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fastavro
import httpx
import pytest

from schemas.codec import CodecError
from schemas.generate import load_schemas
from schemas.messages import BookChange, DeadLetterReason, Side
from schemas.registry import Registry, RegistryError, connect
from stream_topology.provision import provision
from stream_topology.subjects import subject_of, subjects

CHANGE = BookChange("BTC-USD", 1, Side.SELL, 2, 3, 4, last=True, ts_us=5)


@contextmanager
def breakable(url: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A proxy before a registry that counts what it is asked, and that can be told to fail."""
    state: dict[str, Any] = {"asked": [], "down": False}

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on("GET")

        def do_POST(self) -> None:
            self._pass_on("POST")

        def _pass_on(self, method: str) -> None:
            state["asked"].append(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if state["down"]:
                self.send_response(503)
                self.end_headers()
                return
            answer = httpx.request(method, url + self.path, content=body, headers={"Content-Type": "application/json"})
            self.send_response(answer.status_code)
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def as_written_by(schema: dict[str, Any], schema_id: int, fields: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    buffer.write(b"\x00" + schema_id.to_bytes(4))
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(copy.deepcopy(schema)), fields)
    return buffer.getvalue()


def fields_of(message: BookChange) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


def test_ids_come_from_the_registry(stack: Any, topic_prefix: str) -> None:
    provision(stack.bootstrap, stack.registry_url, topic_prefix, 1)
    codec = connect(stack.registry_url, subjects(topic_prefix))
    value = codec.encode(CHANGE)
    assert codec.decode(value, "BookChange") == CHANGE
    with Registry(stack.registry_url) as registry:
        schema_id, text = registry.version(subject_of(f"{topic_prefix}book"), "latest") or (0, "{}")
    assert json.loads(text)["name"] == "BookChange"
    assert int.from_bytes(value[1:5]) == schema_id


def test_writers_of_other_releases_are_read_in_both_directions(stack: Any, topic_prefix: str) -> None:
    """A newer release adds a field and a symbol. We read it, and it reads us."""
    provision(stack.bootstrap, stack.registry_url, topic_prefix, 1)
    newer = copy.deepcopy(load_schemas()["BookChange"])
    newer["fields"].append({"name": "venue", "type": "string", "default": "here"})
    next(field for field in newer["fields"] if field["name"] == "side")["type"]["symbols"].append("SELL_SHORT")
    with Registry(stack.registry_url) as registry:
        newer_id = registry.register(subject_of(f"{topic_prefix}book"), newer)
    codec = connect(stack.registry_url, subjects(topic_prefix))  # ours is an earlier version of the subject now
    ours = codec.encode(CHANGE)
    assert int.from_bytes(ours[1:5]) != newer_id
    assert codec.decode(ours, "BookChange") == CHANGE
    theirs = as_written_by(newer, newer_id, fields_of(CHANGE) | {"venue": "there"})
    assert codec.decode(theirs, "BookChange") == CHANGE
    short = as_written_by(newer, newer_id, fields_of(CHANGE) | {"venue": "there", "side": "SELL_SHORT"})
    assert codec.decode(short, "BookChange").side is Side.UNKNOWN

    # The newer release, or anybody else with an Avro library and the registry, reads what this one wrote.
    with Registry(stack.registry_url) as registry:
        writer = fastavro.parse_schema(json.loads(registry.schema(int.from_bytes(ours[1:5])) or ""))
    read = fastavro.schemaless_reader(io.BytesIO(ours[5:]), writer, fastavro.parse_schema(copy.deepcopy(newer)))
    assert read["venue"] == "here"
    assert read["price_e8"] == CHANGE.price_e8


def test_an_outage_stops_nothing_that_is_known_and_judges_nothing_that_is_not(stack: Any, topic_prefix: str) -> None:
    provision(stack.bootstrap, stack.registry_url, topic_prefix, 1)
    with Registry(stack.registry_url) as registry:
        other_id = registry.register(f"{topic_prefix}other", {"type": "record", "name": "Other", "fields": []})
    with breakable(stack.registry_url) as (url, state):
        codec = connect(url, subjects(topic_prefix))
        state["down"] = True
        asked = len(state["asked"])
        assert codec.decode(codec.encode(CHANGE), "BookChange") == CHANGE
        assert len(state["asked"]) == asked
        foreign = b"\x00" + other_id.to_bytes(4)
        with pytest.raises(RegistryError, match="503"):
            codec.decode(foreign, "Tick")
        state["down"] = False
        for _ in range(3):
            with pytest.raises(CodecError, match=rf"written as Other \(schema id {other_id}\)") as caught:
                codec.decode(foreign, "Tick")
        assert caught.value.reason is DeadLetterReason.WRONG_RECORD
        assert len(state["asked"]) == asked + 2


def test_an_absent_id_is_asked_for_once_in_a_while(
    stack: Any, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    provision(stack.bootstrap, stack.registry_url, topic_prefix, 1)
    now_s = 1000.0
    monkeypatch.setattr("schemas.registry.monotonic", lambda: now_s)
    with breakable(stack.registry_url) as (url, state):
        codec = connect(url, subjects(topic_prefix))
        asked = len(state["asked"])

        def refuse(schema_id: int) -> None:
            with pytest.raises(CodecError, match=f"no schema has the id {schema_id}") as caught:
                codec.decode(b"\x00" + schema_id.to_bytes(4) + b"\x02\x04", "Tick")
            assert caught.value.reason is DeadLetterReason.SCHEMA_UNKNOWN

        refuse(2_000_000_000)
        refuse(2_000_000_000)
        assert len(state["asked"]) == asked + 1
        now_s += 11
        refuse(2_000_000_000)
        assert len(state["asked"]) == asked + 2
        refuse(4_000_000_000)  # no registry counts so far
        assert len(state["asked"]) == asked + 2


def test_a_registry_that_is_not_provisioned_says_what_to_do(stack: Any, topic_prefix: str) -> None:
    with pytest.raises(RegistryError, match=r"BookChange, Candle, .*-value\. Run `tradsys provision` first"):
        connect(stack.registry_url, subjects(topic_prefix))


def test_an_address_that_is_no_registrys_api_is_named(stack: Any, topic_prefix: str) -> None:
    wrong = stack.registry_url.rpartition("/")[0] + "/nothing"
    with pytest.raises(RegistryError, match=r"/nothing/config does not exist\. The address must be the root"):
        connect(wrong, subjects(topic_prefix))
