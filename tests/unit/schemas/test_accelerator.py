"""The extension accepts exactly what the strict reader accepts, gives the same messages, and keeps nothing."""

import gc
import random
import sys
import tracemalloc
from typing import Any

import pytest

from schemas import _avro, accelerator
from schemas.codec import STRING_BYTES_MAX, VALUE_BYTES_MAX, Codec, CodecError
from schemas.messages import RECORDS, Frame, FrameKind, Message, Side, Tick
from tests.oracle.messages import SCHEMAS

SEED = 20_261_124
MUTATIONS = 100_000
NOT_FLAT = {"JournalEntry", "SnapshotChunk"}
FLAT = sorted(RECORDS.keys() - NOT_FLAT)
LEFT = object()
"""What a bare decoder here gives for what the extension leaves to its fallback."""


def bare_decoder(record: str) -> Any:
    """The extension alone."""
    schema = SCHEMAS[record]
    ids = [sorted(RECORDS).index(record) + 1]
    plan = accelerator.plan(schema, schema, ids, STRING_BYTES_MAX, VALUE_BYTES_MAX)
    return accelerator.decoder(plan, lambda _: LEFT) if plan else None


def samples(rng: random.Random) -> list[tuple[str, Message]]:
    return [(record, RECORDS[record](**fields(record, rng))) for record in FLAT for _ in range(4)]


def fields(record: str, rng: random.Random) -> dict[str, Any]:
    named: dict[str, Any] = {}
    return {field["name"]: any_value(field["type"], rng, named) for field in SCHEMAS[record]["fields"]}


def any_value(avro_type: Any, rng: random.Random, named: dict[str, Any]) -> Any:  # noqa: PLR0911 - one branch a type
    match avro_type:
        case ["null", inner]:
            value = any_value(inner, rng, named)
            return None if rng.random() < 0.4 else value
        case {"type": "enum", "name": name, "symbols": symbols}:
            named[name] = avro_type
            return getattr(sys.modules["schemas.messages"], name)(rng.choice(symbols))
        case str() as name if name in named:
            return any_value(named[name], rng, named)
        case "boolean":
            return rng.random() < 0.5
        case "int":
            return rng.randint(-(1 << 31), (1 << 31) - 1)
        case "string":
            return "".join(rng.choice("aZ9-é€𝄞") for _ in range(rng.randrange(20)))
        case "bytes":
            return rng.randbytes(rng.randrange(20))
        case {"type": inner}:
            return any_value(inner, rng, named)
    assert avro_type == "long"
    return rng.randint(-(1 << 63), (1 << 63) - 1) >> rng.randrange(64)


def damaged(value: bytes, rng: random.Random) -> bytes:
    """The value after one to three accidents; its header stays, so that the fast path looks at it."""
    header, body = value[:5], bytearray(value[5:])
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(body) + 1)
        match rng.randrange(6):
            case 0:
                del body[at:]
            case 1:
                body[at:at] = rng.randbytes(rng.randint(1, 9))
            case 2:
                del body[at : at + rng.randint(1, 4)]
            case 3 if at < len(body):
                body[at] ^= 1 << rng.randrange(8)
            case 4 if at < len(body):
                body[at] = rng.choice([0, 1, 2, 0x7F, 0x80, 0xFF])
            case 5 if at < len(body):  # the same number in one byte more
                body[at : at + 1] = bytes([body[at] | 0x80, 0])
    return header + bytes(body)


def test_flat_records_are_done_by_the_extension() -> None:
    assert {record for record in RECORDS if bare_decoder(record) is None} == NOT_FLAT


def test_damaged_bytes_are_judged_as_the_strict_reader_judges_them(codec: Codec, plain_codec: Codec) -> None:
    rng = random.Random(SEED)
    decoders = {record: bare_decoder(record) for record in FLAT}
    values = [(record, codec.encode(message)) for record, message in samples(rng)]
    refused = 0
    for number in range(MUTATIONS):
        record, value = values[number % len(values)]
        broken = damaged(value, rng)
        fast = decoders[record](broken)
        try:
            slow = plain_codec.decode(broken, record)
        except CodecError:
            assert fast is LEFT, (record, broken.hex())
            refused += 1
        else:
            assert fast == slow, (record, broken.hex())
    assert MUTATIONS // 2 < refused < MUTATIONS


def test_every_truncation_is_refused(codec: Codec) -> None:
    rng = random.Random(SEED)
    for record, message in samples(rng):
        value = codec.encode(message)
        decoder = bare_decoder(record)
        assert decoder(value) == message
        assert all(decoder(value[:end]) is LEFT for end in range(len(value)))
        assert decoder(value + b"\x00") is LEFT


def test_what_is_not_plain_bytes_is_left_alone(codec: Codec) -> None:
    value = codec.encode(Tick(1, 2))
    decoder = bare_decoder("Tick")
    assert decoder(bytearray(value)) is LEFT
    assert decoder(None) is LEFT
    with pytest.raises(TypeError, match="one argument by position"):
        decoder()
    with pytest.raises(TypeError, match="one argument by position"):
        decoder(value=value)


def test_nothing_is_kept(codec: Codec) -> None:
    rng = random.Random(SEED)
    messages = samples(rng)
    decoders = {record: bare_decoder(record) for record in FLAT}
    values = [(record, codec.encode(message)) for record, message in messages]
    values += [(record, damaged(value, rng)) for record, value in values for _ in range(5)]
    messages.append(("Frame", Frame("book:A", 1, FrameKind.UPDATE, b"x" * 5_000, ts_us=1)))  # beyond the first buffer
    plans = tuple(accelerator.plan(s, s, [1], 10, 10_000) for s in SCHEMAS.values() if s["name"] in FLAT)
    encoder = _avro.Encoder(plans, lambda _: b"")  # the limits make it leave many half way

    def work() -> None:
        for record, value in values:
            decoders[record](value)
        for _, message in messages:
            encoder(message)

    def held() -> tuple[int, int, int, int]:
        gc.collect()
        return (
            sys.getallocatedblocks(),
            sys.getrefcount(Side.BUY),
            sys.getrefcount(None),
            tracemalloc.get_traced_memory()[0] // 1000,
        )

    tracemalloc.start()
    try:
        for _ in range(3):
            work()
        before = held()
        for _ in range(200):
            work()
        after = held()
    finally:
        tracemalloc.stop()
    # One reference, block or kilobyte lost in each round would be 200.
    assert all(abs(now - then) < 150 for now, then in zip(after, before, strict=True)), (before, after)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"record": int}, "has no attribute"),
        ({"headers": b"\x00"}, "5 bytes each"),
        ({"fields": ((1, 2),)}, "function takes|argument"),
        ({"fields": (("sequence", 99, False, 0, None),)}, "no such kind"),
        ({"fields": (("sequence", 6, False, 0, None),)}, "no such kind"),
        ({"fields": (("sequence", 2, False, 5, None),)}, "slot 5 is out of range"),
        (
            {"fields": (("sequence", 2, False, 0, None), ("ts_us", 2, False, 0, None))},
            "slot 0 is out of range or taken",
        ),
        ({"fields": (("nothing", 2, False, 0, None),)}, "nothing"),
        ({"fields": (("sequence", 2, False, 0, None),) * 65}, "more than 64"),
    ],
)
def test_a_plan_that_does_not_fit_its_record_is_refused(change: dict[str, Any], error: str) -> None:
    right: dict[str, Any] = {
        "record": Tick,
        "headers": b"\x00\x00\x00\x00\x01",
        "fields": (("sequence", 2, False, 0, None), ("ts_us", 2, False, 1, None)),
        "defaults": (None, None),
        "string_bytes_max": 10,
        "value_bytes_max": 100,
    }
    _avro.Plan(**right)
    with pytest.raises((TypeError, ValueError, AttributeError), match=error):
        _avro.Plan(**right | change)


def test_an_encoder_needs_a_field_for_each_slot() -> None:
    reader = SCHEMAS["Tick"]
    newer = reader | {"fields": [*reader["fields"], {"name": "zone", "type": "string"}]}
    plan = accelerator.plan(reader, newer, [1], 10, 100)
    with pytest.raises(TypeError, match="a field for each slot"):
        _avro.Encoder((plan,), lambda _: b"")
