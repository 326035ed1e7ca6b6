import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_topology.sharding import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ],
)
def test_the_hash_is_kafkas(key: str, signed: int) -> None:
    """The vectors of Kafka's own UtilsTest, whose integers are signed."""
    assert murmur2(key.encode()) == signed % (1 << 32)


@given(key=st.text(st.characters(codec="utf-8")), partitions=st.integers(1, 1024))
def test_a_key_has_one_partition_in_range(key: str, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions
    assert partition_of(key, partitions) == partition_of.__wrapped__(key, partitions)


def test_keys_spread_over_partitions() -> None:
    counts = [0] * 12
    for number in range(12_000):
        counts[partition_of(f"account-{number:05d}", 12)] += 1
    assert min(counts) > 800
    assert max(counts) < 1200
