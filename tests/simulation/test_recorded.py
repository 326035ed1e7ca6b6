"""Logs that earlier releases wrote are replayed by this one, from their first entry on."""

from pathlib import Path

import pytest

from stream_topology.stages import STAGES
from tests.recorded.recording import Recording
from tradsys.demo.memory import core_factories
from workers.kernel.shard import Shard

RECORDINGS = sorted((Path(__file__).parent.parent / "recorded").glob("*.xz"))
JOURNALED = [name for name, stage in STAGES.items() if stage.journaled]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("stage", JOURNALED)
def test_a_stage_gives_the_recorded_bytes_again(path: Path, stage: str) -> None:
    recording = Recording.read(path)
    codec, log = recording.codec(), recording.log()
    make_core = core_factories([stage], recording.seal_secrets)[stage]
    entries = outputs = 0
    for number in range(recording.shards):
        shard = Shard(STAGES[stage], make_core(number, recording.shards), number, recording.shards, codec)
        assert shard.core.behaviour == recording.behaviours[stage]
        for entry in log.entries(stage, number, codec):
            outputs += len(shard.replay(entry, lambda span, number=number: log.span(span, number)))  # type: ignore[misc]
            entries += 1
    assert entries > recording.shards
    assert outputs > entries


def test_there_are_recordings() -> None:
    assert RECORDINGS
