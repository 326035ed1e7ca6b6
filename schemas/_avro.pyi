from collections.abc import Callable
from typing import Any, final

@final
class Plan:
    def __new__(
        cls,
        record: type,
        headers: bytes,
        fields: tuple[tuple[str, int, bool, int, tuple[Any, ...] | None], ...],
        defaults: tuple[Any, ...],
        string_bytes_max: int,
        value_bytes_max: int,
    ) -> Plan: ...

@final
class Encoder:
    def __new__(cls, plans: tuple[Plan, ...], fallback: Callable[[Any], bytes]) -> Encoder: ...
    def __call__(self, message: Any, /) -> bytes: ...

@final
class Decoder:
    def __new__(cls, plan: Plan, fallback: Callable[[bytes], Any]) -> Decoder: ...
    def __call__(self, value: bytes, /) -> Any: ...
