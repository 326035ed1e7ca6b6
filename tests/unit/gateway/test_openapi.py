"""The OpenAPI document says what the gateway does, and Swagger UI shows it without anything from elsewhere."""

import contextlib
import gzip
import re
from collections import namedtuple
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI

from gateway.errors import CATALOGUE, Code
from gateway.guard import FREE
from schemas import tables

ORDER = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "100", "quantity": "1"}
API_KEY = SimpleNamespace(key_id="0", name="market maker", scopes="read", addresses="", created_us=1)
VERSION = namedtuple("Row", ["is_end", *tables.pair_versions.c.keys()])(  # noqa: PYI024 - as rows are
    False, "pair-0", 2, "BTC-USD", "ETH-USD", 1, "DELETED", 2, 1, 60, None, "c", 1, None
)
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}


@pytest.fixture
async def document(client: Any) -> Any:
    return (await client.get("/openapi.json")).json()


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def resolved(document: Any, schema: Any) -> Any:
    while "$ref" in schema:
        place = document
        for name in schema["$ref"].removeprefix("#/").split("/"):
            place = place[name]
        schema = place
    return schema


def check(document: Any, schema: Any, value: Any, path: str = "$") -> None:
    """As much of JSON schema as the document uses; and nothing is said that the schema does not know."""
    schema = resolved(document, schema)
    for part in schema.get("allOf", ()):
        check(document, part, {name: value[name] for name in resolved(document, part)["properties"]}, path)
    if "anyOf" in schema:
        assert any(fits(document, part, value) for part in schema["anyOf"]), (path, value)
    if "const" in schema:
        assert value == schema["const"], path
    if "enum" in schema:
        assert value in schema["enum"], path
    kinds = schema.get("type", [])
    if kinds:
        assert isinstance(value, tuple(TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))), path
    if isinstance(value, str) and "pattern" in schema:
        assert re.search(schema["pattern"], value), (path, value)
    check_parts(document, schema, value, path)


def fits(document: Any, schema: Any, value: Any) -> bool:
    with contextlib.suppress(AssertionError):
        check(document, schema, value)
        return True
    return False


def check_parts(document: Any, schema: Any, value: Any, path: str) -> None:
    if isinstance(value, Mapping) and "properties" in schema:
        assert set(schema.get("required", ())) <= value.keys() <= schema["properties"].keys(), path
        for name, inner in value.items():
            check(document, schema["properties"][name], inner, f"{path}.{name}")
    if isinstance(value, list) and "items" in schema:
        for number, inner in enumerate(value):
            check(document, schema["items"], inner, f"{path}[{number}]")


async def test_the_document_is_openapi_and_all_it_names_is_there(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPI.model_validate(document)
    text = str(document)
    for reference in set(re.findall(r"'\$ref': '([^']+)'", text)):
        resolved(document, {"$ref": reference})
    assert "HTTPValidationError" not in text
    identities = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(identities) == len(set(identities)) > 15
    assert {tag for *_, operation in operations(document) for tag in operation["tags"]} <= {
        tag["name"] for tag in document["tags"]
    }


async def test_every_operation_says_its_errors_and_how_its_answer_looks(document: Any) -> None:
    for method, path, operation in operations(document):
        responses = operation["responses"]
        assert {"500", "503"} <= responses.keys(), (method, path)
        assert ("429" in responses) is (path not in FREE), (method, path)
        shows_a_secret = path in {"/auth/login", "/auth/refresh"}
        assert ("401" in responses) is (shows_a_secret or "security" in operation), (method, path)
        assert ("415" in responses) is ("requestBody" in operation), (method, path)
        assert operation["summary"], (method, path)
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), (method, path, parameter["name"])
        for status, response in responses.items():
            said = resolved(document, response)
            assert said["description"], (method, path, status)
            if int(status) < 300:
                envelope = said["content"]["application/json"]["schema"]
                assert envelope["properties"]["success"] == {"const": True}
                assert "X-Correlation-ID" in said["headers"]
                assert envelope["properties"]["data"], (method, path, status)
            elif said["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}:
                for media in ("application/json", "application/problem+json"):
                    for code, example in said["content"][media]["examples"].items():
                        assert CATALOGUE[Code(code)].status == int(status)
                        check(document, said["content"][media]["schema"], example["value"])
        if "requestBody" in operation:
            assert operation["requestBody"]["content"]["application/json"]["examples"], (method, path)


async def test_examples_of_bodies_are_as_the_document_says(document: Any) -> None:
    for method, path, operation in operations(document):
        if "requestBody" in operation:
            said = operation["requestBody"]["content"]["application/json"]
            for name, example in said["examples"].items():
                check(document, said["schema"], example["value"], f"{method} {path}, {name}")


async def made_pair(served: Any, client: Any, make_symbol: Any) -> Any:
    served.symbols.apply(make_symbol("ETH-USD"))
    pair = {"symbol1": "BTC-USD", "symbol2": "ETH-USD", "status": "active", "lookback_period": 60}
    return await client.post("/api/v1/pairs", json=pair, headers=served.bearer(role="admin"))


async def test_examples_of_bodies_are_taken(served: Any, client: Any, document: Any, make_symbol: Any) -> None:
    pair = (await made_pair(served, client, make_symbol)).json()["data"]["pair_id"]
    headers = served.bearer(role="admin") | {"if-match": "*"}
    for account in ("desk-1", "desk-2"):
        made = await client.patch(f"/api/v1/admin/accounts/{account}", json={"kind": "cash"}, headers=headers)
        assert made.status_code == 200, made.text
    await client.patch("/api/v1/admin/symbols/BTC-USD", json={"tick": "0.01", "lot": "0.0001"}, headers=headers)
    for method, path, operation in operations(document):
        if not path.startswith("/api") or "requestBody" not in operation:
            continue
        for example in operation["requestBody"]["content"]["application/json"]["examples"].values():
            asked = path.replace("{order_id}", "5").replace("{pair_id}", pair).replace("{symbol}", "BTC-USD")
            asked = asked.replace("{account}", "desk-3").replace("{username}", "bob") + "?wait=0"
            if path == "/api/v1/api-keys":
                served.database.answers = [[], [(0, 0)], [API_KEY]]
            answer = await client.request(method, asked, json=example["value"], headers=headers)
            assert answer.status_code in {200, 201, 202}, (path, answer.text)


async def test_answers_look_as_the_document_says(served: Any, client: Any, document: Any, make_symbol: Any) -> None:
    made = await made_pair(served, client, make_symbol)
    pair, changed = made.json()["data"]["pair_id"], made.request.content
    sent = {"content-type": "application/json"}
    one = ("/api/v1/pairs/{pair_id}", f"/api/v1/pairs/{pair}")
    asked = [
        ("post", "/api/v1/pairs", "/api/v1/pairs", {"content": changed, "headers": sent}),
        ("get", "/api/v1/pairs", "/api/v1/pairs", {}),
        ("get", *one, {}),
        ("get", f"{one[0]}/history", f"{one[1]}/history", {}),
        ("put", *one, {"content": changed, "headers": sent | {"if-match": "*"}}),
        ("put", *one, {"content": changed, "headers": sent | {"if-match": '"0"'}}),
        ("put", *one, {"content": changed, "headers": sent}),
        ("delete", *one, {"headers": {"if-match": '"0"'}}),
        ("post", "/api/v1/orders", "/api/v1/orders", {"json": ORDER}),
        ("post", "/api/v1/orders", "/api/v1/orders", {"json": ORDER | {"side": "hold", "price": 5}}),
        ("post", "/api/v1/orders", "/api/v1/orders", {"json": ORDER, "headers": {"authorization": ""}}),
        ("delete", "/api/v1/orders/{order_id}", "/api/v1/orders/5", {}),
        ("delete", "/api/v1/orders/{order_id}", "/api/v1/orders/5x", {}),
        ("get", "/api/v1/orders/{order_id}", "/api/v1/orders/5x", {}),
        ("post", "/api/v1/signing-keys", "/api/v1/signing-keys", {"json": {"key_id": "b", "public_key": "ab" * 32}}),
        ("get", "/api/v1/signing-keys", "/api/v1/signing-keys", {}),
        ("delete", "/api/v1/signing-keys/{key_id}", "/api/v1/signing-keys/b", {}),
        ("get", "/api/v1/api-keys", "/api/v1/api-keys", {}),
        ("delete", "/api/v1/api-keys/{key_id}", "/api/v1/api-keys/0", {}),
        ("get", "/api/v1/symbols", "/api/v1/symbols", {}),
        ("get", "/api/v1/fees", "/api/v1/fees", {}),
        ("get", "/api/v1/book/{symbol}", "/api/v1/book/BTC-USD", {}),
        ("get", "/api/v1/trades", "/api/v1/trades", {}),
        ("get", "/health/live", "/health/live", {}),
        ("get", "/health", "/health", {}),
        ("get", "/errors", "/errors", {}),
        ("get", "/errors/{code}", "/errors/CONFLICT", {}),
        ("get", "/errors/{code}", "/errors/NONSENSE", {}),
    ]
    for accept in ("application/json", "application/problem+json"):
        for method, path, target, rest in asked:
            headers = served.bearer(role="admin") | {"accept": accept} | rest.get("headers", {})
            served.database.answers = [[VERSION]] if target.endswith("/history") else []
            answer = await client.request(method, target, **(rest | {"headers": headers}))
            assert answer.status_code != 500, (path, answer.text)
            response = resolved(document, document["paths"][path][method]["responses"][str(answer.status_code)])
            media = answer.headers["content-type"]
            check(document, response["content"][media]["schema"], answer.json())
            for name in response["headers"]:
                assert name.lower() in answer.headers, (path, name)


async def test_swagger_ui_needs_nothing_from_elsewhere(client: Any) -> None:
    page = await client.get("/swagger/index.html")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert policy == page.headers.get_list("content-security-policy")[0]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(named) == 4
    assert "<script>" not in page.text
    assert "style=" not in page.text
    for name in named:
        assert ":" not in name
        assert (await client.get(f"/swagger/{name}")).status_code == 200
    assert "/openapi.json" in (await client.get("/swagger/start.js")).text
    assert (await client.get("/swagger/elsewhere.js")).status_code == 404
    assert (await client.get("/swagger/..%2Fapp.py")).status_code == 404


async def test_its_files_travel_compressed_and_once(client: Any) -> None:
    first = await client.get("/swagger/swagger-ui-bundle.js")
    assert first.headers["content-encoding"] == "gzip"
    assert b"SwaggerUIBundle" in first.content
    again = await client.get("/swagger/swagger-ui-bundle.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = await client.get("/openapi.json", headers={"accept-encoding": "identity"})
    packed = await client.get("/openapi.json")
    assert "content-encoding" not in plain.headers
    assert packed.headers["etag"] == plain.headers["etag"]
    assert packed.content == plain.content
    assert len(gzip.compress(plain.content)) < len(plain.content) / 3
