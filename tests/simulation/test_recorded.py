"""Logs that earlier releases wrote are replayed by this one, from their first entry on."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from schemas.messages import DeadLetter, Execution, Message
from schemas.units import RISK_BIT
from stream_topology.stages import STAGES
from stream_topology.topics import TOPICS
from tests.recorded.recording import Recording
from tradsys.demo.memory import core_factories
from workers.kernel.shard import Shard

RECORDINGS = sorted((Path(__file__).parent.parent / "recorded").glob("*.xz"))
RECORDED = [
    pytest.param(path, stage, id=f"{path.stem}-{stage}")
    for path in RECORDINGS
    for stage in Recording.read(path).behaviours
    if STAGES[stage].journaled
]


@pytest.mark.parametrize(("path", "stage"), RECORDED)
def test_a_stage_says_again_what_was_recorded(path: Path, stage: str) -> None:
    """In the same bytes while its behaviour is still the same version; else in the same messages."""
    recording = Recording.read(path)
    codec, log = recording.codec(), recording.log()
    make_core = core_factories([stage], recording.seal_secrets)[stage]
    said: Counter[Said] = Counter()
    topics = {record.topic for record in recording.records}
    entries = 0
    for number in range(recording.shards):
        shard = Shard(STAGES[stage], make_core(number, recording.shards), number, recording.shards, codec)
        assert shard.core.behaviour >= recording.behaviours[stage]
        for entry in log.entries(stage, number, codec):
            outputs = shard.replay(
                entry,
                lambda span, number=number: log.span(span, number),  # type: ignore[misc]
                accept_behaviour_change=shard.core.behaviour > recording.behaviours[stage],
            )
            for output in outputs:
                if output.topic not in topics:  # one that the release did not have
                    continue
                message = without_new(output.topic, codec.decode(output.value, TOPICS[output.topic].record))
                said[output.topic, output.partition, msgspec.json.encode(message)] += 1
            entries += 1
    assert entries > recording.shards
    assert said == recorded(recording, stage)


SAID_SINCE = {"positions": {"correlation_id": None}, "ledger": {"correlation_id": None}}
"""Fields, by topic, that stages say of inputs of the recorded releases too, and that those releases did not have."""


def without_new(topic: str, message: Message) -> Message:
    """As the recorded release could say it."""
    return replace(message, **SAID_SINCE.get(topic, {}))


Said = tuple[str, int, bytes]
"""Topic, partition, message."""


def recorded(recording: Recording, stage: str) -> Counter[Said]:
    """What the stage wrote."""
    codec, log = recording.codec(), recording.log()
    found: Counter[Said] = Counter()
    for topic in (*STAGES[stage].outputs, "dead_letters"):
        for number in range(recording.shards):
            for record in log.partition(topic, number):
                message = codec.decode(record.value or b"", TOPICS[topic].record)
                if author(message, stage) == stage:
                    found[topic, number, msgspec.json.encode(message)] += 1
    assert found
    return found


def author(message: Message, otherwise: str) -> str:
    """The stage that wrote a message, where a topic has several."""
    if isinstance(message, Execution):
        return "risk" if message.execution_id & RISK_BIT else "matching"
    return message.stage if isinstance(message, DeadLetter) else otherwise


def test_there_are_recordings() -> None:
    assert RECORDINGS
