"""The same inputs give the same outputs and states in any process, whatever its hash seed."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

SCRIPT = """
import hashlib
from random import Random
import msgspec
from tests.oracle.fills import Book, random_day
from tests.oracle.random_market import open_market, step

market = open_market(Random(7))
outputs, apply = [], market.desk.core.apply
def record(item):
    outputs.append(apply(item))
    return outputs[-1]
market.desk.core.apply = record
for _ in range(400):
    step(market)
book = Book()
book.symbol()
outputs.append(random_day(book, Random(7), 400))
for part in (msgspec.msgpack.encode(outputs), market.desk.core.dump(), book.core.dump()):
    print(len(part), hashlib.sha256(part).hexdigest())
"""


def test_outputs_and_states_do_not_depend_on_the_hash_seed() -> None:
    answers = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("0", "1", "4242")
    ]
    assert len(set(answers)) == 1
    assert all(int(line.split()[0]) > 1000 for line in answers[0].splitlines())
