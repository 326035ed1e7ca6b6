from schemas.messages import Tick
from workers.clock.ticks import next_tick, wait_s


def test_sequence_and_time_go_on_and_never_back() -> None:
    first = next_tick(None, 5_000_000)
    assert first == Tick(sequence=1, ts_us=5_000_000)
    assert next_tick(first, 6_000_001) == Tick(sequence=2, ts_us=6_000_001)
    assert next_tick(first, 4_000_000) == Tick(sequence=2, ts_us=5_000_000)


def test_ticks_fall_on_whole_seconds() -> None:
    assert wait_s(1_250_000) == 0.75
    assert wait_s(2_000_000) == 1.0
