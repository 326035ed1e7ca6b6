"""Feeds a target with bytes that reach ever more of the code: `python -m tests.fuzz TARGET --seconds 60`.

Atheris (https://github.com/google/atheris) makes the bytes. It stops at the first that raise, and says them.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

SEEDS = {
    "messages": [
        b'{"type":"ping","request_id":"1"}',
        b'{"type":"marketdata.subscribe","symbol":"BTC-USD","channels":["book","trades"],"from_sequence":5}',
        b'{"type":"order.submit","order":{"symbol":"BTC-USD","side":"buy","type":"limit","price":"1","quantity":"1"}}',
        b'{"type":"order.amend","order_id":"5","changes":{"price":"1","expire_time":"2030-01-31T12:00:00Z"}}',
    ],
    "bodies": [
        b'{"symbol":"BTC-USD","side":"sell","type":"limit","price":"102","quantity":"2","oco":{"trigger_price":"99"}}',
        b'{"orders":[{"symbol":"BTC-USD","side":"buy","type":"market","notional":"5"}]}',
        b'{"price":"1","quantity":"2","trigger_price":"3","display_quantity":"4"}',
        b'{"timeout":60}',
    ],
    "frames": [
        b"\x01\x81\x82\x00\x00\x00\x00{}",
        b"\x02\x01\x81\x00\x00\x00\x00a\x80\x81\x00\x00\x00\x00b",
        b"\x00\x89\x80\x00\x00\x00\x00\x88\x82\x00\x00\x00\x00\x03\xe8",
        b"\x00\x82\xfe\x00\x80\x00\x00\x00\x00" + b"x" * 128,
    ],
}
"""What to begin with."""
BYTES_MAX = 4_096


def main() -> int:
    """Run until the time is over; libFuzzer ends the process with another code where a target raises."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=SEEDS)
    parser.add_argument("--seconds", type=int, default=60)
    chosen = parser.parse_args()
    with atheris.instrument_imports(include=["gateway", "uvicorn.protocols", "websockets"]):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - what is imported here is instrumented
    with tempfile.TemporaryDirectory(prefix="tradsys-fuzz-") as corpus:
        for number, seed in enumerate(SEEDS[chosen.target]):
            (Path(corpus) / str(number)).write_bytes(seed)
        limits = [f"-max_total_time={chosen.seconds}", f"-max_len={BYTES_MAX}", "-rss_limit_mb=0"]
        atheris.Setup([sys.argv[0], *limits, corpus], TARGETS[chosen.target])
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
