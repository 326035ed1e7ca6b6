"""Arbitrary bytes, for some seconds; `make chaos` gives them ten minutes with atheris."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import targets

JSON = st.recursive(
    st.sampled_from(["null", "true", "-1", "1e9", '"1"', '"\\ud800"', '"buy"', '"limit"', '"BTC-USD"', "NaN", "{"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]"),
        st.lists(
            st.tuples(
                st.sampled_from(
                    ["type", "symbol", "side", "price", "quantity", "order", "orders", "oco", "channel", "x", "timeout"]
                ),
                inner,
            ),
            max_size=5,
        ).map(lambda pairs: "{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}"),
    ),
    max_leaves=12,
).map(str.encode)
ANY = st.one_of(st.binary(max_size=200), JSON)


@st.composite
def frame(draw: st.DrawFn) -> bytes:
    """A frame as a client sends it, or nearly."""
    payload = draw(st.binary(max_size=140))
    mask = draw(st.binary(min_size=4, max_size=4))
    size = len(payload) if draw(st.integers(0, 9)) else draw(st.integers(0, 1 << 20))
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + (size & 0xFFFF).to_bytes(2)
    return (
        bytes((draw(st.sampled_from([0x81, 0x82, 0x01, 0x80, 0x88, 0x89, 0x8A, 0xC1, 0x83])),))
        + length
        + mask
        + payload
    )


FRAMES = st.one_of(st.binary(max_size=200), st.lists(frame(), max_size=4).map(b"".join))


@given(ANY)
@settings(max_examples=800, deadline=None)
def test_a_message_is_known_or_refused(data: bytes) -> None:
    targets.messages(data)


@given(ANY)
@settings(max_examples=400, deadline=None)
def test_a_body_is_read_or_refused(data: bytes) -> None:
    targets.bodies(data)


@given(st.integers(0, 255), FRAMES)
@settings(max_examples=300, deadline=None)
def test_a_connection_stays_or_ends_with_a_code(pieces: int, data: bytes) -> None:
    targets.frames(bytes((pieces,)) + data)


def test_a_text_that_is_none_and_a_close_in_the_same_bytes_close_once() -> None:
    targets.frames(
        bytes.fromhex(
            "02018100000000618090909090909090810001010000000089800000000088820000000010ffffff"
            "ffd4ffff0100030000007e8200021d0000000000"
        )
    )


@pytest.mark.parametrize("name", targets.TARGETS)
def test_nothing_at_all_is_something_too(name: str) -> None:
    targets.TARGETS[name](b"")
