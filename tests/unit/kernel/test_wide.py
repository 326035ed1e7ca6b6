"""States with integers beyond 64 bits."""

import msgspec
import pytest

from workers.kernel.wide import decode, encode

ENCODER = msgspec.msgpack.Encoder(order="deterministic")


class Part(msgspec.Struct, array_like=True):
    name: bytes
    amount: int
    sums: dict[str, int] = {}


class State(msgspec.Struct, array_like=True):
    parts: list[Part]
    by_name: dict[str, tuple[str, int | None]]


DECODER = msgspec.msgpack.Decoder(State)
WIDE = (2**63, 2**64, -(2**63) - 1, 2**200, -(2**200))


@pytest.mark.parametrize("amount", [0, 2**63 - 1, -(2**63), *WIDE])
def test_it_comes_back_as_it_was(amount: int) -> None:
    parts = [Part(b"\x00\xff", 1), Part(b"", amount, {"USD": amount, "EUR": 2})]
    state = State(parts, {"seven": ("a", amount), "eight": ("b", None)})
    written = encode(ENCODER, state)
    assert decode(DECODER, written) == state
    assert encode(ENCODER, decode(DECODER, written)) == written


def test_one_without_such_is_written_as_always() -> None:
    state = State([Part(b"x", 2**63 - 1)], {})
    assert encode(ENCODER, state) == ENCODER.encode(state)


def test_what_is_no_such_state_is_refused() -> None:
    for wrong in (ENCODER.encode([1, 2]), ENCODER.encode(msgspec.msgpack.Ext(2, b"1"))):
        with pytest.raises(msgspec.ValidationError):
            decode(DECODER, wrong)
