"""States whose integers may be beyond 64 bits: sums of extreme amounts, which records tell cut to what they can carry.

MessagePack has no such integers. A state that has one is written with each of them as text in an extension, and all
others as always.
"""

from typing import Any, Final, TypeVar

import msgspec
from msgspec.msgpack import Ext

from schemas.units import INT64_MAX, INT64_MIN

_WIDE: Final = 1
"""The extension's code: decimal digits, in ASCII."""

T = TypeVar("T")


def encode(encoder: msgspec.msgpack.Encoder, state: object) -> bytes:
    """As the encoder, of any integers."""
    try:
        return encoder.encode(state)
    except OverflowError:
        return encoder.encode(_narrow(msgspec.to_builtins(state, builtin_types=(bytes,))))


def decode(decoder: msgspec.msgpack.Decoder[T], state: bytes) -> T:
    """As the decoder, of what `encode` gave. Raises msgspec.ValidationError for anything else."""
    try:
        return decoder.decode(state)
    except msgspec.ValidationError:
        return msgspec.convert(msgspec.msgpack.decode(state, ext_hook=_read, strict=False), decoder.type)


def int64(value: int) -> int:
    """The nearest number that a record can carry."""
    return min(max(value, INT64_MIN), INT64_MAX)


def _narrow(value: Any) -> Any:
    if isinstance(value, dict):
        return {_narrow(key): _narrow(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_narrow(each) for each in value]
    if isinstance(value, int) and int64(value) != value:
        return Ext(_WIDE, str(value).encode())
    return value


def _read(code: int, data: memoryview) -> int:
    if code != _WIDE:
        message = f"an extension of code {code} is none of a state's"
        raise msgspec.ValidationError(message)
    return int(bytes(data))
