from prometheus_client import CollectorRegistry, Gauge, generate_latest

from tradsys.demo.rest import LOST, STUCK_S_MAX, TIMED_LAG_MAX, Patience, left_to_do
from tradsys.demo.view import LAG, SHARDS, StageFigures, totals


def figures(shards: int = 2, **lag_by_topic: int) -> StageFigures:
    return StageFigures(shards=shards, lags={("1", topic): lag for topic, lag in lag_by_topic.items()})


def test_a_stage_that_has_read_all_has_nothing_left_though_time_goes_on() -> None:
    assert left_to_do(figures(orders=0, clock=1, marks=TIMED_LAG_MAX), shards=2) == 0


def test_one_order_that_is_not_read_is_left() -> None:
    assert left_to_do(figures(orders=1, clock=1), shards=2) == 1


def test_a_stage_that_time_runs_away_from_is_behind() -> None:
    assert left_to_do(figures(clock=TIMED_LAG_MAX + 5), shards=2) == 5


def test_a_shard_that_nobody_owns_and_a_worker_that_does_not_answer_are_behind() -> None:
    assert left_to_do(figures(shards=1), shards=2) == LOST
    assert left_to_do(None, shards=2) == 2 * LOST


def test_a_slow_stage_is_waited_for_as_long_as_it_comes_nearer() -> None:
    patience = Patience(0.0)
    for step in range(100):
        assert not patience.ended({"risk": 100 - step, "matching": 7}, step * STUCK_S_MAX * 0.9)


def test_a_stage_that_falls_back_again_and_again_is_given_up() -> None:
    patience = Patience(0.0)
    looks = [(20.0 * turn + part * 10.0, left) for turn in range(20) for part, left in enumerate((LOST, 5))]
    ended_s = next(now_s for now_s, left in looks if patience.ended({"risk": left}, now_s))
    assert 10 + STUCK_S_MAX < ended_s <= 30 + STUCK_S_MAX


def test_lags_are_read_by_shard_and_topic() -> None:
    registry = CollectorRegistry()
    lag = Gauge(LAG, "lag", ("stage", "shard", "topic"), registry=registry)
    lag.labels("risk", "0", "commands").set(3)
    lag.labels("risk", "1", "clock").set(1)
    Gauge(SHARDS, "shards", ("stage",), registry=registry).labels("risk").set(2)
    sums, lags = totals(generate_latest(registry).decode())
    assert lags == {("0", "commands"): 3, ("1", "clock"): 1}
    assert (sums[LAG], sums[SHARDS]) == (4, 2)
