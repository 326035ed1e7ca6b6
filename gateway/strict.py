"""Strict JSON: no unknown fields, no duplicate keys, and every field that is wrong is named with its value and rule.

What is right is decoded once, into its struct. Only what is wrong is looked at field by field.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from gateway.errors import ApiError, Code, Violation, violation

T = TypeVar("T")

DECIMALS: Final = frozenset(
    {"price", "quantity", "notional", "trigger_price", "trail", "trail_rate", "display_quantity"}
)
"""Fields that are decimal numbers in strings."""
UNKNOWN: Final = "is not a field of this"
MISSING: Final = "is missing"
_DECIMAL: Final = 'must be a decimal number in a string, such as "0.015", because JSON numbers lose digits'
_HALF: Final = "has half of a surrogate pair, which is no character"
_RAW: Final = "xpected `raw`"
_NAME_CHARACTERS_MAX: Final = 64
_PATH: Final = re.compile(r" - at `\$\.?([^`]*)`$")


def parsed(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """What a body says. Raises ApiError: 400 for what is not JSON, 422 with every field that is not as it must be."""
    try:
        value = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _not_valid(decoder.type, body, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error) from None
    require_strict(body)
    return value


def require_strict(body: bytes) -> Any:
    """The JSON in a body that is validated elsewhere. Raises ApiError for what is not JSON, or has a key twice: readers
    would not agree on it.
    """
    try:
        return _STRICT.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise _not_json(error) from None


def refused(violations: list[Violation]) -> ApiError:
    """422 with all that is wrong; the first is the sentence."""
    first = violations[0]
    sentence = f"{first.path or 'The body'}: {first.rule}."
    return ApiError(Code.VALIDATION_FAILED, sentence, field=first.path or None, details=violations)


def _not_json(error: Exception) -> ApiError:
    what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return ApiError(Code.INVALID_JSON, f"The body is not JSON: {what}.")


def _not_valid(kind: Any, body: bytes, text: str) -> ApiError:
    given = require_strict(body)  # what comes after the first wrong field has not been looked at yet
    struct = _struct_of(kind, given)
    found = list(_wrong_tag(kind, given) if struct is None else _wrong_fields(struct, given, ""))
    return refused(found or [_told(text, "", given)])


def _wrong_tag(kind: Any, given: Any) -> Iterator[Violation]:
    """What is wrong with an object that says it is none of those it may be."""
    configs = [struct.__struct_config__ for struct in _structs(kind)]
    for field in {config.tag_field for config in configs}:
        if field is None or not isinstance(given, dict):
            continue
        if field in given:
            yield violation(field, f"must be one of {', '.join(str(config.tag) for config in configs)}", given[field])
        else:
            yield violation(field, MISSING)


def _struct_of(kind: Any, given: Any) -> type[msgspec.Struct] | None:
    """Which struct an object was meant to be, None where that cannot be said."""
    if not isinstance(given, dict):
        return None
    for choice in _structs(kind):
        config = choice.__struct_config__
        if config.tag is None or given.get(config.tag_field) == config.tag:
            return choice
    return None


def _structs(kind: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    elif get_origin(kind) in {Annotated, Union, UnionType}:
        for part in get_args(kind):
            yield from _structs(part)


def _wrong_fields(struct: type[msgspec.Struct], given: dict[str, Any], above: str) -> Iterator[Violation]:
    """What is wrong with an object; the path of each begins with `above`."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for name, field in fields.items():
        if name not in given:
            if field.required:
                yield violation(above + name, MISSING)
        elif (inner := _struct_of(field.type, given[name])) is not None:
            yield from _wrong_fields(inner, given[name], f"{above}{name}.")
        else:
            try:
                msgspec.convert(given[name], field.type)
            except msgspec.ValidationError as error:
                if _RAW in str(error):
                    continue  # JSON that is read later, by itself
                yield _told(str(error), above + name, given[name], field.type)
            except UnicodeEncodeError:
                yield violation(above + name, _HALF, given[name])
    for name, value in given.items():
        if name not in fields and name != struct.__struct_config__.tag_field:
            yield violation(above + name[:_NAME_CHARACTERS_MAX], UNKNOWN, value)


def _told(text: str, name: str, value: Any, kind: Any = None) -> Violation:
    """The words of the decoder as a rule."""
    found = _PATH.search(text)
    below = found[1] if found else ""
    if not name and below:
        value = value.get(below, msgspec.UNSET)
    rule = _PATH.sub("", text)
    if name.rpartition(".")[2] in DECIMALS:
        rule = _DECIMAL
    elif rule.startswith("Invalid enum value") and (choices := _choices(kind)):
        rule = f"must be one of {', '.join(choices)}"
    return violation(".".join(part for part in (name, below) if part), rule[0].lower() + rule[1:], value)


def _choices(kind: Any) -> list[str]:
    if get_origin(kind) is Literal:
        return [str(choice) for choice in get_args(kind)]
    return [choice for part in get_args(kind) for choice in _choices(part)]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)[:_NAME_CHARACTERS_MAX]
        raise ApiError(Code.INVALID_JSON, f"The key {twice!r} stands there twice.", field=twice)
    return unique


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


_STRICT: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number)
