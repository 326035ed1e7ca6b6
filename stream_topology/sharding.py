"""Key to partition, as the Java client's default partitioner does it.

Source: Apache Kafka, `org.apache.kafka.common.utils.Utils.murmur2` and `toPositive`, which is MurmurHash2 (32 bits) by
Austin Appleby with the seed 0x9747b28c.
"""

from functools import lru_cache
from typing import Final

_SEED: Final = 0x9747B28C
_MULTIPLIER: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF
_ROTATION: Final = 24

KEY_CACHE_MAX: Final = 65_536
"""Keys whose partition is remembered; the least recently used is forgotten first."""


def murmur2(data: bytes) -> int:
    """The hash as an unsigned 32-bit integer."""
    length = len(data)
    value = _SEED ^ length
    aligned = length & ~3
    for at in range(0, aligned, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _MULTIPLIER & _MASK
        word ^= word >> _ROTATION
        value = (value * _MULTIPLIER & _MASK) ^ (word * _MULTIPLIER & _MASK)
    if aligned < length:
        value ^= int.from_bytes(data[aligned:], "little")
        value = value * _MULTIPLIER & _MASK
    value ^= value >> 13
    value = value * _MULTIPLIER & _MASK
    return value ^ value >> 15


@lru_cache(KEY_CACHE_MAX)
def partition_of(key: str, partitions: int) -> int:
    """The partition of a key among that many: 0 to partitions - 1."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions
