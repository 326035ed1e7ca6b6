"""`python -m tradsys.worker_process STAGE INSTANCE`: one worker, without loading the command line.

This is what the supervisor runs: a worker that was killed is back half a second sooner than by `tradsys worker`.
"""

import importlib
import sys


def run(stage: str, instance: int) -> int:
    """Run a stage's worker until it ends; its exit code."""
    code: int = importlib.import_module(f"workers.{stage}.app").main(instance)
    return code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], int(sys.argv[2])))
