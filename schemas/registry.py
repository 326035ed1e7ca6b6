"""The schema registry's Confluent API, and a codec whose ids come from it.

Ids are read once, at start; afterwards the registry is asked only when a record carries an id that was never met.
"""

import http.client
import json
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Mapping
from http import HTTPStatus
from time import monotonic
from typing import Any, Final, Self
from urllib.parse import SplitResult, unquote, urlsplit

from schemas.codec import Codec
from schemas.generate import load_schemas

COMPATIBILITY: Final = "BACKWARD_TRANSITIVE"
"""This release reads every record that was ever written."""

TIMEOUT_S: Final = 2.0
"""For one answer of the registry. A stage waits for it when it meets an unknown id."""

ABSENT_S: Final = 10.0
"""For how long the registry is not asked again about an id that it did not have."""

ABSENT_MAX: Final = 1_000
"""Ids remembered as absent; the oldest is forgotten first."""

SCHEMA_ID_MAX: Final = (1 << 31) - 1
"""Registries count in 31 bits; an id beyond cannot exist."""

_PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_WIRE_KEYS: Final = frozenset({"type", "name", "namespace", "fields", "symbols", "items", "values", "size"})
_MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_SUCCESS: Final = range(200, 300)


class RegistryError(Exception):
    """The registry does not answer, or not what is needed; the text is a sentence.

    While decoding it means that nobody knows whether the record can be read: it is neither good nor bad, and whoever
    reads it must try again later instead of setting it aside.
    """


class Registry:
    """A client. Every method raises RegistryError when the registry cannot be asked.

    It is the standard library's: every worker asks at its start, and a richer client takes as long to be imported as a
    hundred answers.
    """

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        """`url` is the root of the Confluent API, http or https, with `user:password@` where it asks for them."""
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def probe(self) -> None:
        """Raise RegistryError unless there is a registry at the address.

        Its list of subjects is not asked for: registries cut it, Apicurio after a thousand.
        """
        self._found("GET", "/config")

    def versions(self, subject: str) -> list[int]:
        """Version numbers of a subject, empty if there is no such subject."""
        return list(self._call("GET", f"/subjects/{subject}/versions") or ())

    def version(self, subject: str, version: int | str) -> tuple[int, str] | None:
        """(schema id, schema text) of a version, which may be "latest"; None if there is none."""
        answer = self._call("GET", f"/subjects/{subject}/versions/{version}")
        return None if answer is None else (int(answer["id"]), str(answer["schema"]))

    def lookup(self, subject: str, schema: dict[str, Any]) -> int | None:
        """The id under which a subject has the schema, None if it has not."""
        answer = self._call("POST", f"/subjects/{subject}", {"schema": json.dumps(schema)})
        return None if answer is None else int(answer["id"])

    def register(self, subject: str, schema: dict[str, Any]) -> int:
        """Add a version to a subject, or find it there; returns the schema's id."""
        return int(self._found("POST", f"/subjects/{subject}/versions", {"schema": json.dumps(schema)})["id"])

    def compatibility(self, subject: str) -> str | None:
        """The subject's own compatibility level, None if it has none."""
        answer = self._call("GET", f"/config/{subject}")
        return None if answer is None else str(answer.get("compatibilityLevel"))

    def set_compatibility(self, subject: str, level: str) -> None:
        """Set the subject's own compatibility level; the subject need not exist yet."""
        self._found("PUT", f"/config/{subject}", {"compatibility": level})

    def schema(self, schema_id: int) -> str | None:
        """The schema text of an id, None if the registry does not have the id."""
        answer = self._call("GET", f"/schemas/ids/{schema_id}")
        return None if answer is None else str(answer["schema"])

    def _found(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._call(method, path, body)
        if answer is None:
            raise RegistryError(
                f"{self.url}{path} does not exist. The address must be the root of a Confluent schema registry's API."
            )
        return answer

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer, or None for 404."""
        kept = self._connection is not None
        try:
            try:
                status, text = self._ask(method, path, body)
            except ConnectionError:
                if not kept:
                    raise
                status, text = self._ask(method, path, body)  # the registry had closed a connection that was idle
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise RegistryError(
                f"The schema registry at {self.url} does not answer: {str(error) or type(error).__name__}. "
                f"Is it running, and is the address right?"
            ) from error
        if status == HTTPStatus.NOT_FOUND:
            return None
        if status not in _SUCCESS:
            detail = text[:500].decode(errors="replace")
            raise RegistryError(f"The schema registry refused {method} {path} with status {status}: {detail}")
        try:
            return json.loads(text)
        except ValueError as error:
            raise RegistryError(f"{self.url}{path} answered something else than JSON; is it a registry?") from error

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
        """Status and body."""
        address = urlsplit(self.url)
        if self._connection is None:
            self._connection = _connection(address, self._timeout_s)
        try:
            content = None if body is None else json.dumps(body)
            self._connection.request(method, address.path + path, content, _headers(address))
            response = self._connection.getresponse()
            return response.status, response.read()
        except BaseException:
            self.close()
            raise


def _connection(address: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    """Not connected yet. Raises ValueError for what is no address of the web."""
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise ValueError("the address must begin with http:// or https:// and name a host")
    if address.scheme == "https":
        return http.client.HTTPSConnection(address.hostname, address.port, timeout=timeout_s)
    return http.client.HTTPConnection(address.hostname, address.port, timeout=timeout_s)


def _headers(address: SplitResult) -> dict[str, str]:
    headers = {"Content-Type": _MEDIA_TYPE}
    if address.username is not None:
        login = f"{unquote(address.username)}:{unquote(address.password or '')}"
        headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
    return headers


class WriterSchemas:
    """Finds the schema of an id that the codec does not know. Absent ids are remembered for a short time."""

    def __init__(self, url: str) -> None:
        """Where to ask: each time anew, since it is seldom and a connection that is kept has to be closed."""
        self._url = url
        self._absent: OrderedDict[int, float] = OrderedDict()

    def __call__(self, schema_id: int) -> str | None:
        """The schema text, None if no such id exists. Raises RegistryError when nobody can say."""
        if schema_id > SCHEMA_ID_MAX:
            return None
        asked_at = self._absent.get(schema_id)
        if asked_at is not None and monotonic() - asked_at < ABSENT_S:
            return None
        with Registry(self._url) as registry:
            text = registry.schema(schema_id)
        self._absent.pop(schema_id, None)
        if text is None:
            self._absent[schema_id] = monotonic()
            if len(self._absent) > ABSENT_MAX:
                self._absent.popitem(last=False)
        return text


def connect(url: str, subjects: Mapping[str, str]) -> Codec:
    """A codec with the ids that the subjects, each of which names its record, have for this release's schemas.

    Raises RegistryError when the registry does not answer or is not provisioned for this release.
    """
    with Registry(url) as registry:
        registry.probe()
        ids = _ids(registry, subjects)
    missing = sorted(load_schemas().keys() - ids.keys())
    if missing:
        raise RegistryError(
            f"The schema registry at {url} has this release's schema of {', '.join(missing)} in none of the subjects "
            f"{min(subjects)} to {max(subjects)}. Run `tradsys provision` first."
        )
    return Codec(ids, WriterSchemas(url))


def _ids(registry: Registry, subjects: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Per record the ids of this release's schema.

    One id is usual, since a registry gives equal texts one id; several are possible, and all are read without asking.
    """
    schemas = load_schemas()
    ids: dict[str, set[int]] = {}
    for subject, record in subjects.items():
        latest = registry.version(subject, "latest")
        if latest is None:
            continue
        schema_id, text = latest
        # A newer release may have provisioned already: then ours is an earlier version of the subject.
        ours = _wire_form(json.loads(text)) == _wire_form(schemas[record])
        found = schema_id if ours else registry.lookup(subject, schemas[record])
        if found is not None:
            ids.setdefault(record, set()).add(found)
    return {record: tuple(sorted(found)) for record, found in ids.items()}


def _wire_form(schema: Any) -> Any:
    """What of a schema decides about bytes: without documentation, defaults, aliases and logical types."""
    match schema:
        case {"type": str() as name} if name in _PRIMITIVES:
            return name
        case dict():
            return {key: _wire_form(item) for key, item in schema.items() if key in _WIRE_KEYS}
        case list():
            return [_wire_form(item) for item in schema]
    return schema
