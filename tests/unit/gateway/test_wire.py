"""How answers of the lean path go over the wire, whole: connections that go on, that end, and that ask ahead."""

import re
from typing import Any

import pytest

from tests.unit.gateway.test_app import raw

LIVE = b"/health/live HTTP/1.1\r\nhost: a\r\n"
BODY = b'{"success":true,"data":{"status":"up"}}'
LAST = b"GET " + LIVE + b"connection: close\r\n\r\n"


async def test_what_was_asked_ahead_is_answered_in_its_order(served: Any) -> None:
    asked = [b"GET " + LIVE + b"x-correlation-id: %d\r\n\r\n" % number for number in range(3)]
    said = await raw(served.port, b"".join(asked) + LAST)
    assert said.count(BODY) == 4
    assert re.findall(rb"x-correlation-id: (\d)\r\n", said) == [b"0", b"1", b"2"]


@pytest.mark.parametrize(
    "request_",
    [LAST, b"GET /health/live HTTP/1.0\r\n\r\n", b"DELETE " + LIVE + b"connection: close\r\n\r\n"],
)
async def test_a_connection_that_shall_end_is_said_to_end_and_does(served: Any, request_: bytes) -> None:
    head, _, body = (await raw(served.port, request_)).partition(b"\r\n\r\n")
    assert head.count(b"\r\nconnection: close") == 1
    assert b"\r\ncontent-length: %d\r\n" % len(body) in head


async def test_the_answer_to_head_has_no_body_and_the_connection_goes_on(served: Any) -> None:
    first, _, rest = (await raw(served.port, b"HEAD " + LIVE + b"\r\n" + LAST)).partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nallow: GET\r\n" in first
    assert rest.startswith(b"HTTP/1.1 200 ")
    assert rest.endswith(BODY)
