"""The example stage of CONTRIBUTING.md works as it stands there."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from schemas.codec import local_codec
from schemas.messages import Frame, Side, Trade
from stream_topology.sharding import partition_of
from stream_topology.stages import STAGES, Stage
from workers.kernel.memory import MemoryLog, MemoryShard

SHARDS = 4
BLOCKS = re.findall(
    r"```python\n(.*?)```", Path(__file__).parents[2].joinpath("CONTRIBUTING.md").read_text("utf-8"), re.DOTALL
)


def trade(number: int, notional_e8: int) -> Trade:
    return Trade(
        trade_id=number,
        symbol="BTC-USD",
        price_e8=notional_e8,
        quantity_e8=100_000_000,
        notional_e8=notional_e8,
        aggressor_side=Side.BUY,
        maker_order_id=1,
        taker_order_id=2,
        maker_account="a",
        taker_account="b",
        ts_us=0,
    )


def test_the_example_stage_runs_and_restores() -> None:
    core_text, _, entry_text = BLOCKS
    core: dict[str, Any] = {}
    exec(compile(core_text, "core.py", "exec"), core)  # noqa: S102 - our own documentation
    stage: Stage = eval(entry_text, {"Stage": Stage})  # noqa: S307 - our own documentation
    number, codec, log = partition_of("BTC-USD", SHARDS), local_codec(), MemoryLog()
    shard = MemoryShard(log, stage, number, SHARDS, codec, core["TurnoverCore"])
    for count in range(3):
        log.append("trades", number, b"BTC-USD", codec.encode(trade(count, 150_000_000)))
        shard.step()
        if count == 0:
            shard.snapshot()
        shard.open()  # restored from the log each time
    partition = partition_of("turnover:BTC-USD", SHARDS)
    frames = [codec.decode(record.value or b"", "Frame") for record in log.read("stream", partition)]
    assert [(f.sequence, f.payload) for f in frames if isinstance(f, Frame)] == [
        (1, b'{"turnover":"1.5"}'),
        (2, b'{"turnover":"3"}'),
        (3, b'{"turnover":"4.5"}'),
    ]


def test_the_example_names_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    _, app_text, entry_text = BLOCKS
    core = ModuleType("workers.turnover.core")
    core.TurnoverCore = lambda shard, shards: ("core", shard, shards)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, core.__name__, core)
    monkeypatch.setitem(STAGES, "turnover", eval(entry_text, {"Stage": Stage}))  # noqa: S307 - our own documentation
    monkeypatch.setattr("workers.shell.worker.run", lambda stage, make, number: (stage.name, make(1, 4), number))
    app: dict[str, Any] = {}
    exec(compile(app_text, "app.py", "exec"), app)  # noqa: S102 - our own documentation
    assert app["main"](2) == ("turnover", ("core", 1, 4), 2)
