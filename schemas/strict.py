"""Which bytes are a record, by Avro's specification and nothing else, and where they go wrong.

fastavro trusts its input: it takes negative lengths, enum positions from the end, and does not mind bytes left over.
"""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

INT_BITS: Final = 32
LONG_BITS: Final = 64
_VARINT_BITS_MAX: Final = 70
_MORE: Final = 0x80
_FIXED: Final = {"float": 4, "double": 8}


class MalformedError(ValueError):
    """Bytes that are not the record; the text says which field and byte."""


class TooLargeError(ValueError):
    """A record that breaks a limit; the text says which field."""


def check(value: bytes, at: int, schema: Mapping[str, Any], string_bytes_max: int) -> None:
    """Whether `value` from byte `at` on is exactly one record of a schema that fastavro parsed.

    Integers must be in range and in their shortest form, so that equal records are equal bytes. Raises MalformedError
    and TooLargeError.
    """
    walk = _Walk(value, at, schema["__named_schemas"], string_bytes_max)
    walk.item(schema, schema["name"].rpartition(".")[2])
    if walk.at != len(value):
        raise MalformedError(f"{len(value) - walk.at} bytes too many after the record's end at byte {walk.at}")


class _Walk:
    def __init__(self, value: bytes, at: int, named: Mapping[str, Any], string_bytes_max: int) -> None:
        self.value = value
        self.at = at
        self._named = named
        self._string_bytes_max = string_bytes_max

    def item(self, schema: Any, path: str) -> None:  # noqa: C901, PLR0912 - one branch an Avro type
        match schema if isinstance(schema, str | list) else schema["type"]:
            case "null":
                pass
            case "int":
                self._integer(path, INT_BITS)
            case "long":
                self._integer(path, LONG_BITS)
            case "string":
                self._string(path)
            case "bytes":
                self._take(self._length(path), path)
            case "boolean":
                if self._take(1, path) not in {b"\x00", b"\x01"}:
                    self._malformed(path, "a boolean must be the byte 0 or 1")
            case "float" | "double" as name:
                self._take(_FIXED[name], path)
            case "fixed":
                self._take(schema["size"], path)
            case "enum":
                self._index(len(schema["symbols"]), path)
            case list(branches):
                self.item(branches[self._index(len(branches), path)], path)
            case "record":
                for field in schema["fields"]:
                    self.item(field["type"], f"{path}.{field['name']}")
            case "array":
                self._blocks(schema["items"], path, keyed=False)
            case "map":
                self._blocks(schema["values"], path, keyed=True)
            case dict() as inner:
                self.item(inner, path)
            case str() as name:
                self.item(self._named[name], path)

    def _blocks(self, schema: Any, path: str, *, keyed: bool) -> None:
        keys: set[bytes] = set()
        while count := self._integer(path, LONG_BITS):
            if count < 0:  # a writer that cannot know its count says the block's size too
                count = -count
                end = self._length(path) + self.at
            else:
                end = -1
            for _ in range(count):
                began_at = self.at
                if keyed:
                    key = self._string(path)
                    if key in keys:
                        self._malformed(path, f"the key {key[:64]!r} is there twice")
                    keys.add(key)
                self.item(schema, f"{path}[]")
                if self.at == began_at:
                    self._malformed(path, "items of no bytes")
            if end not in {-1, self.at}:
                self._malformed(path, "a block's size disagrees with its items")

    def _index(self, count: int, path: str) -> int:
        index = self._integer(path, LONG_BITS)
        if not 0 <= index < count:
            self._malformed(path, f"{index} is not one of {count} choices")
        return index

    def _string(self, path: str) -> bytes:
        text = self._take(self._length(path), path)
        if len(text) > self._string_bytes_max:
            raise TooLargeError(f"{path} has {len(text)} bytes, at most {self._string_bytes_max}")
        try:
            text.decode()
        except UnicodeDecodeError:
            self._malformed(path, "a string that is not UTF-8")
        return text

    def _length(self, path: str) -> int:
        length = self._integer(path, LONG_BITS)
        if length < 0:
            self._malformed(path, f"a length of {length}")
        return length

    def _take(self, count: int, path: str) -> bytes:
        end = self.at + count
        if end > len(self.value):
            self._malformed(path, f"{count} bytes are needed, {len(self.value) - self.at} are left")
        piece = self.value[self.at : end]
        self.at = end
        return piece

    def _integer(self, path: str, bits: int) -> int:
        """A zigzag varint of at most so many bits."""
        number = shift = 0
        more = _MORE
        while more:
            if shift == _VARINT_BITS_MAX:
                self._malformed(path, "a number that does not end")
            if self.at == len(self.value):
                self._malformed(path, "the value ends within a number")
            byte = self.value[self.at]
            self.at += 1
            more = byte & _MORE
            number |= (byte ^ more) << shift
            shift += 7
        if byte == 0 and shift > 7:  # noqa: PLR2004 - more than one byte
            self._malformed(path, "a number that is not in its shortest form")
        if number >> bits:
            self._malformed(path, f"a number beyond {bits} bits")
        return number >> 1 ^ -(number & 1)

    def _malformed(self, path: str, what: str) -> NoReturn:
        raise MalformedError(f"{path}, before byte {self.at}: {what}")
