import gc
import json
import weakref
from typing import Any, Never

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import accelerator, strict
from schemas.codec import HEADER_BYTES, STRING_BYTES_MAX, VALUE_BYTES_MAX, Codec, CodecError, EncodeError, local_codec
from schemas.messages import RECORDS, BookChange, DeadLetterReason, Frame, FrameKind, JournalEntry, Mark, Side, Tick
from schemas.registry import RegistryError
from tests.oracle.messages import SCHEMAS, any_message

MARK = Mark("BTC-USD", 1, 1, 1)
TICK = Tick(sequence=1, ts_us=2)
CHANGE = BookChange(
    symbol="BTC-USD",
    sequence=1,
    side=Side.BUY,
    price_e8=6_500_000_000_000,
    quantity_e8=1,
    order_count=1,
    last=True,
    ts_us=1,
)


@pytest.fixture(params=["as installed", "without the extension"])
def either_codec(request: pytest.FixtureRequest, codec: Codec, plain_codec: Codec) -> Codec:
    return codec if request.param == "as installed" else plain_codec


def test_this_machine_has_a_compiler_and_so_the_extension() -> None:
    assert accelerator.ACCELERATED


@given(message=any_message())
def test_every_message_comes_back_and_both_paths_write_the_same_bytes(
    codec: Codec, plain_codec: Codec, message: Any
) -> None:
    record = type(message).__name__
    value = codec.encode(message)
    assert value == plain_codec.encode(message)
    assert codec.decode(value, record) == message
    assert plain_codec.decode(value, record) == message
    assert type(codec.decode(value, record)) is RECORDS[record]


def test_the_wire_format_is_confluents(either_codec: Codec) -> None:
    assert either_codec.encode(TICK) == bytes([0, 0, 0, 0, 16, 2, 4])


def test_lists_come_back_as_tuples_and_symbols_as_members(either_codec: Codec) -> None:
    entry = JournalEntry("risk", 1, 2, 3, (), 0, 0, -1)
    assert either_codec.decode(either_codec.encode(entry), "JournalEntry").ranges == ()
    assert either_codec.decode(either_codec.encode(CHANGE), "BookChange").side is Side.BUY


def refused(codec: Codec, value: bytes, record: str = "Tick") -> tuple[DeadLetterReason, str]:
    with pytest.raises(CodecError) as caught:
        codec.decode(value, record)
    return caught.value.reason, str(caught.value)


@pytest.mark.parametrize(
    "value",
    [b"", b"\x00", b"\x00\x00\x00\x00", b'{"price": 1}', b"\x01\x00\x00\x00\x0f\x02\x04", b"\xff" * 100],
    ids=["empty", "one byte", "four bytes", "JSON", "another magic", "ones"],
)
def test_what_is_not_in_the_wire_format_is_not_avro(either_codec: Codec, value: bytes) -> None:
    reason, detail = refused(either_codec, value)
    assert reason is DeadLetterReason.NOT_AVRO
    assert "byte 0 and a 4-byte schema id" in detail


def test_an_id_that_nobody_gave_is_unknown(either_codec: Codec) -> None:
    assert refused(either_codec, b"\x00\x00\x00\x03\xe7\x02\x04") == (
        DeadLetterReason.SCHEMA_UNKNOWN,
        "no schema has the id 999",
    )


def test_a_record_of_another_topic_is_refused(either_codec: Codec) -> None:
    mark = either_codec.encode(MARK)
    reason, detail = refused(either_codec, mark)
    assert reason is DeadLetterReason.WRONG_RECORD
    assert detail == "written as tradsys.Mark (schema id 11), but this topic's records are Tick"


def test_a_megabyte_is_too_large(either_codec: Codec) -> None:
    reason, detail = refused(either_codec, b"\x00" * 1_048_576, "Frame")
    assert (reason, detail) == (DeadLetterReason.TOO_LARGE, f"1048576 bytes, at most {VALUE_BYTES_MAX}")


def test_a_long_string_is_too_large(either_codec: Codec) -> None:
    text = "x" * (STRING_BYTES_MAX + 1)
    length = bytes([0x82, 0x80, 0x08])
    value = b"\x00\x00\x00\x00\x02" + length + text.encode() + bytes([2, 2, 2, 2, 2, 1, 2])
    reason, detail = refused(either_codec, value, "BookChange")
    assert (reason, detail) == (DeadLetterReason.TOO_LARGE, "BookChange.symbol has 65537 bytes, at most 65536")


@pytest.mark.parametrize(
    ("body", "record", "detail"),
    [
        ([], "Tick", "Tick.sequence, before byte 5: the value ends within a number"),
        ([2], "Tick", "Tick.ts_us, before byte 6: the value ends within a number"),
        ([2, 4, 0], "Tick", "1 bytes too many after the record's end at byte 7"),
        ([0x82, 0], "Tick", "Tick.sequence, before byte 7: a number that is not in its shortest form"),
        ([0xFF] * 9 + [2, 2], "Tick", "Tick.sequence, before byte 15: a number beyond 64 bits"),
        ([0xFF] * 11, "Tick", "Tick.sequence, before byte 15: a number that does not end"),
        ([1], "BookChange", "BookChange.symbol, before byte 6: a length of -1"),
        ([200, 1, 65], "BookChange", "BookChange.symbol, before byte 7: 100 bytes are needed, 1 are left"),
        ([4, 0xC3, 0x28], "BookChange", "BookChange.symbol, before byte 8: a string that is not UTF-8"),
        ([2, 65, 2, 6], "BookChange", "BookChange.side, before byte 9: 3 is not one of 3 choices"),
        ([2, 65, 2, 1], "BookChange", "BookChange.side, before byte 9: -1 is not one of 3 choices"),
        (
            [2, 65, 2, 2, 2, 2, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 2],
            "BookChange",
            "BookChange.order_count, before byte 16: a number beyond 32 bits",
        ),
        (
            [2, 65, 2, 2, 2, 2, 2, 2, 2],
            "BookChange",
            "BookChange.last, before byte 13: a boolean must be the byte 0 or 1",
        ),
        ([2, 65, 2, 2, 2, 0, 4, 2], "Frame", "Frame.checksum, before byte 12: 2 is not one of 2 choices"),
        (
            [0, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20],
            "JournalEntry",
            "JournalEntry.ranges[].topic, before byte 15: the value ends within a number",
        ),
        ([0, 0, 0, 0, 3, 1], "JournalEntry", "JournalEntry.ranges, before byte 11: a length of -1"),
        (
            [0, 0, 0, 0, 1, 10, 2, 65, 2, 2, 0, 0, 0, 0],
            "JournalEntry",
            "JournalEntry.ranges, before byte 15: a block's size disagrees with its items",
        ),
        (
            [0, 0, 0, 0, 0, 0, 0, 4, 2, 65, 0, 2, 65],
            "SnapshotChunk",
            "SnapshotChunk.positions, before byte 18: the key b'A' is there twice",
        ),
    ],
)
def test_damaged_bytes_are_refused_where_they_are_damaged(
    either_codec: Codec, body: list[int], record: str, detail: str
) -> None:
    schema_id = sorted(RECORDS).index(record) + 1
    value = b"\x00" + schema_id.to_bytes(4) + bytes(body)
    assert refused(either_codec, value, record) == (DeadLetterReason.TRUNCATED, detail)


def test_arrays_in_sized_blocks_are_read(plain_codec: Codec) -> None:
    sized = b"\x00\x00\x00\x00\x09" + bytes([2, 65, 2, 2, 2, 1, 8, 2, 65, 2, 4, 2, 2, 66, 6, 8, 0, 0, 0, 0])
    ranges = plain_codec.decode(sized, "JournalEntry").ranges
    assert [(span.topic, span.first, span.last) for span in ranges] == [("A", 1, 2), ("B", 3, 4)]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (Tick(sequence=1 << 63, ts_us=0), "This Tick cannot be written"),
        (Tick(sequence="1", ts_us=0), "This Tick cannot be written"),
        (Tick(sequence=None, ts_us=0), "This Tick cannot be written"),
        (Mark("\ud800", 1, 1, 1), "This Mark cannot be written"),
        (Mark("x" * (STRING_BYTES_MAX + 1), 1, 1, 1), "Mark.symbol has 65537 bytes, at most 65536"),
        (
            BookChange("A", 1, Side.BUY, 1, 1, 1 << 31, last=True, ts_us=1),
            "BookChange.order_count, .*: a number beyond 32 bits",
        ),
        (BookChange("A", 1, "SHORT", 1, 1, 1, last=True, ts_us=1), "This BookChange cannot be written"),
        (
            Frame("book:A", 1, FrameKind.UPDATE, b"x" * VALUE_BYTES_MAX, ts_us=1),
            f"This Frame has 10000.. bytes, at most {VALUE_BYTES_MAX}",
        ),
    ],
)
def test_a_message_that_its_schema_cannot_carry_is_refused(either_codec: Codec, message: Any, sentence: str) -> None:
    with pytest.raises(EncodeError, match=sentence):
        either_codec.encode(message)


def test_the_largest_values_pass(either_codec: Codec) -> None:
    frame = Frame("book:A", 1, FrameKind.UPDATE, b"x" * (VALUE_BYTES_MAX - 100), ts_us=1)
    assert either_codec.decode(either_codec.encode(frame), "Frame") == frame


def test_a_registry_that_does_not_answer_is_not_a_bad_record() -> None:
    """Nobody knows whether it is readable: it must not become a dead letter."""

    def down(_schema_id: int) -> Never:
        raise RegistryError("does not answer")

    codec = Codec({"Tick": 1}, down)
    with pytest.raises(RegistryError):
        codec.decode(b"\x00\x00\x00\x00\x02\x02\x04", "Tick")
    assert codec.decode(codec.encode(TICK), "Tick") == TICK


@pytest.mark.parametrize("text", ["", "{}", '"string"', '{"type": "object", "properties": {}}', "syntax = 'proto3';"])
def test_a_schema_of_another_kind_is_unknown(text: str) -> None:
    codec = Codec({"Tick": 1}, lambda _: text)
    reason, detail = refused(codec, b"\x00\x00\x00\x00\x02\x02\x04")
    assert (reason, detail) == (DeadLetterReason.SCHEMA_UNKNOWN, "the schema with the id 2 is not an Avro record")


def test_several_ids_of_one_schema_are_read_and_the_first_is_written() -> None:
    codec = Codec({"Tick": (7, 9)}, lambda _: pytest.fail("asked for a known id"))
    value = codec.encode(TICK)
    assert value[:HEADER_BYTES] == b"\x00\x00\x00\x00\x07"
    assert codec.decode(value[:4] + b"\x09" + value[HEADER_BYTES:], "Tick") == TICK


def test_a_writers_schema_is_asked_for_once() -> None:
    asked = []

    def find(schema_id: int) -> str:
        asked.append(schema_id)
        return json.dumps(SCHEMAS["Tick"])

    codec = Codec({"Tick": 1}, find)
    for _ in range(3):
        assert codec.decode(b"\x00\x00\x00\x00\x05\x02\x04", "Tick") == TICK
    assert asked == [5]


def test_forgotten_writers_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schemas.codec.WRITERS_MAX", 2)
    asked = []
    codec = Codec({"Tick": 1}, lambda schema_id: asked.append(schema_id) or json.dumps(SCHEMAS["Tick"]))
    for schema_id in (2, 3, 4, 4, 2):
        codec.decode(b"\x00" + schema_id.to_bytes(4) + b"\x02\x04", "Tick")
    assert asked == [2, 3, 4, 2]


def test_codecs_are_garbage_when_nobody_uses_them() -> None:
    class Watched:
        def __call__(self, _schema_id: int) -> None:
            return None

    watched = Watched()
    codec = Codec({"Tick": 1}, watched)
    codec.encode(TICK)
    gone = weakref.ref(watched)
    del codec, watched
    gc.collect()
    assert gone() is None


@given(value=st.binary(max_size=60), record=st.sampled_from(sorted(RECORDS)))
def test_any_bytes_after_a_header_are_a_message_or_refused(codec: Codec, value: bytes, record: str) -> None:
    schema_id = sorted(RECORDS).index(record) + 1
    reason = message = None
    try:
        message = codec.decode(b"\x00" + schema_id.to_bytes(4) + value, record)
    except CodecError as error:
        reason = error.reason
    if message is None:
        assert reason is DeadLetterReason.TRUNCATED
    else:
        assert codec.decode(codec.encode(message), record) == message


def test_strictness_speaks_of_the_limit_it_is_given() -> None:
    codec = local_codec()
    value = codec.encode(Mark("ABC", 1, 1, 1))
    schema = codec._parsed["Mark"]
    with pytest.raises(strict.TooLargeError, match="at most 2"):
        strict.check(value, HEADER_BYTES, schema, 2)
