"""Every core writes the same bytes in any process: whatever its hash seed, and however its inputs come in batches."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HASH_SEEDS = ("0", "1", "2")
BATCHES = ("1", "1000")
TOLD = {
    *("orders", "executions", "accounts", "trades", "book", "positions"),
    *("ledger", "candles", "tickers", "marks", "stream"),
}


def written(batch_records: str, hash_seed: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("every_core.py")), batch_records],
        env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.splitlines()


def test_the_same_flow_gives_the_same_bytes() -> None:
    runs = {size: [written(size, seed) for seed in HASH_SEEDS] for size in BATCHES}
    for size, (first, *others) in runs.items():
        for other in others:
            assert other == first, f"a hash seed shows, batches of {size}"
    whole = [run[0] for run in runs.values()]
    # Batches decide how records of different topics, and with that keys, alternate; journals record just that.
    compared = [[line for line in run if line.startswith(("key ", "state "))] for run in whole]
    for each in zip(*compared, strict=True):
        assert len(set(each)) == 1, "a size of batches shows"
    assert {line.split()[1] for line in whole[0] if line.startswith("key ")} == TOLD
    assert any(line.startswith("key stream portfolio:") for line in whole[0])
    assert any(line.startswith("own fanout.journal") for line in set(whole[0]) - set(whole[1]))  # they did differ
