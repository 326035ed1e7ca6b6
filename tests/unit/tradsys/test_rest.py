from prometheus_client import CollectorRegistry, Gauge, generate_latest

from tradsys.demo.rest import LOST, STUCK_S_MAX, TIMED_LAG_MAX, Patience, left_to_do
from tradsys.demo.view import LAG, NEXT_OFFSET, totals

ENDS = {("orders", 0): 10, ("orders", 1): 7, ("clock", 0): 50}


def test_a_stage_that_has_read_all_has_nothing_left_though_time_goes_on() -> None:
    assert left_to_do({("orders", 0): 10, ("orders", 1): 8, ("clock", 0): 50 - TIMED_LAG_MAX}, ENDS) == {}


def test_one_order_that_is_not_read_is_left() -> None:
    assert left_to_do({("orders", 0): 9, ("orders", 1): 7, ("clock", 0): 49}, ENDS) == {("orders", 0): 1}


def test_a_stage_that_time_runs_away_from_is_behind() -> None:
    left = left_to_do({("orders", 0): 10, ("orders", 1): 7, ("clock", 0): 45 - TIMED_LAG_MAX}, ENDS)
    assert left == {("clock", 0): TIMED_LAG_MAX + 5}


def test_a_shard_that_is_restored_now_and_a_worker_that_does_not_answer_are_behind() -> None:
    assert left_to_do({("orders", 0): 10, ("clock", 0): 50}, ENDS) == {("orders", 1): LOST}
    assert left_to_do(None, ENDS) == dict.fromkeys(ENDS, LOST)


def test_a_slow_stage_is_waited_for_as_long_as_it_comes_nearer() -> None:
    patience = Patience(0.0)
    for step in range(100):
        assert not patience.ended({"risk": 100 - step, "matching": 7}, step * STUCK_S_MAX * 0.9)


def test_a_stage_that_falls_back_again_and_again_is_given_up() -> None:
    patience = Patience(0.0)
    looks = [(20.0 * turn + part * 10.0, left) for turn in range(20) for part, left in enumerate((LOST, 5))]
    ended_s = next(now_s for now_s, left in looks if patience.ended({"risk": left}, now_s))
    assert 10 + STUCK_S_MAX < ended_s <= 30 + STUCK_S_MAX


def test_offsets_are_read_by_topic_and_shard() -> None:
    registry = CollectorRegistry()
    labels = ("stage", "shard", "topic")
    offset = Gauge(NEXT_OFFSET, "offset", labels, registry=registry)
    offset.labels("risk", "0", "commands").set(3)
    offset.labels("risk", "1", "clock").set(1)
    lag = Gauge(LAG, "lag", labels, registry=registry)
    lag.labels("risk", "0", "commands").set(2)
    lag.labels("risk", "1", "clock").set(5)
    sums, done = totals(generate_latest(registry).decode())
    assert done == {("commands", 0): 3, ("clock", 1): 1}
    assert sums[LAG] == 7
