"""Pairs of symbols are decisions that today's stages have no use for: they pass them over."""

from schemas.messages import Control, ControlKind, PairStatus
from schemas.units import E8
from tests.simulation.every_core import SHARDS, run

OUTPUTS = (
    "orders",
    "executions",
    "accounts",
    "trades",
    "book",
    "positions",
    "ledger",
    "marks",
    "stream",
    "dead_letters",
)


def test_a_pair_makes_no_stage_write_anything() -> None:
    venue = run(1_000)
    before = {topic: list(venue.records(topic)) for topic in OUTPUTS}
    pair = Control(
        kind=ControlKind.PAIR,
        control_id="pair-1",
        pair_id="p1",
        pair_version=1,
        symbol1="BTC-USD",
        symbol2="ETH-USD",
        ratio_e8=E8,
        pair_status=PairStatus.ACTIVE,
        z_score_threshold_entry_e8=2 * E8,
        z_score_threshold_exit_e8=E8,
        lookback_period=60,
    )
    venue.control(pair)
    venue.pipeline.run()
    assert not any(shard.lag() for shard in venue.pipeline.shards)
    assert {topic: list(venue.records(topic)) for topic in OUTPUTS} == before
    assert len(list(venue.records("control"))) % SHARDS == 0
