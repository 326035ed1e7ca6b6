"""Renders `docs/topology.md` from the topics and stages.

Usage: `python -m stream_topology.diagram [--check]`. With --check nothing is written; exit code 1 says that the file is
stale.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import Final

from schemas import generated
from stream_topology.stages import STAGES, Stage, all_topics
from stream_topology.topics import FOREVER_MS, SHARDS_MAX, TOPICS, Key, Topic

_INTRODUCTION: Final = f"""\
# The topology

Rendered from `stream_topology/topics.py` and `stream_topology/stages.py` by `python -m stream_topology.diagram`; a test
compares. Names of topics carry a prefix, `tradsys.` by default.

All topics have the same number of partitions, one for each shard (4 in the embedded stack, at most {SHARDS_MAX}). Shard
s of a stage owns partition s of each of its inputs. A key finds its partition by Kafka's murmur2, as the Java client
does it; a record whose key belongs elsewhere is refused.

`tradsys provision` makes a cluster agree with this page, `tradsys provision --check` says where it does not.
"""

_FLOW: Final = """\
## The flow

Boxes are stages, rounded boxes are topics, and whoever is no stage stands in a flag. `control` and `clock` reach almost
everybody; the tables below have those edges, the picture leaves them out."""

_ORDER: Final = """\
## Stages

A stage merges what a batch holds of its inputs in this order. Those with a journal may write to `dead_letters` too."""

_LEFT_OUT: Final = frozenset({"control", "clock", "dead_letters"})
"""Topics whose edges would cover the picture."""

_SPAN_MS: Final = ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second"))


def render() -> str:
    """The text of the document."""
    parts = [
        _INTRODUCTION,
        _FLOW,
        "\n".join(["```mermaid", *_flowchart(), "```"]),
        "## Topics\n\nRetention is by time or, where it says so, by key: the newest record of each key stays.",
        _table(
            ("topic", "record", "key", "retention", "timestamp", "written by", "read by", "what travels there"),
            (_topic_row(topic) for topic in all_topics()),
        ),
        _ORDER,
        _table(
            ("stage", "inputs in merge order", "outputs", "its own topics", "purpose"),
            (_stage_row(stage) for stage in STAGES.values()),
        ),
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def writers(topic: Topic) -> tuple[str, ...]:
    """Who writes a topic: others than stages first."""
    if topic.name == "dead_letters":
        return ("every stage with a journal",)
    stages = (stage.name for stage in STAGES.values() if topic.name in stage.outputs or topic in stage.topics())
    return (*topic.writers, *stages)


def readers(topic: Topic) -> tuple[str, ...]:
    """Who reads a topic: stages first."""
    stages = (stage.name for stage in STAGES.values() if topic.name in stage.inputs or topic in stage.topics())
    return (*stages, *topic.readers)


def _flowchart() -> Iterator[str]:
    drawn = [topic for topic in TOPICS.values() if topic.name not in _LEFT_OUT]
    stages = [stage for stage in STAGES.values() if _is_drawn(stage)]
    yield "flowchart LR"
    yield from (f"    {topic.name}([{topic.name}])" for topic in drawn)
    yield from (f"    {_node(stage)}[{stage.name}]" for stage in stages)
    outside = dict.fromkeys(name for topic in drawn for name in (*topic.writers, *topic.readers))
    yield from (f"    outside_{name}>{name}]" for name in outside)
    yield from (f"    outside_{name} --> {topic.name}" for topic in drawn for name in topic.writers)
    for stage in stages:
        yield from (f"    {name} --> {_node(stage)}" for name in stage.inputs if name not in _LEFT_OUT)
        yield from (f"    {_node(stage)} --> {name}" for name in stage.outputs)
    yield from (f"    {topic.name} --> outside_{name}" for topic in drawn for name in topic.readers)


def _is_drawn(stage: Stage) -> bool:
    return any(name not in _LEFT_OUT for name in (*stage.inputs, *stage.outputs))


def _node(stage: Stage) -> str:
    """A stage and a topic may have one name."""
    return f"stage_{stage.name}"


def _topic_row(topic: Topic) -> tuple[str, ...]:
    return (
        f"`{topic.name}`",
        topic.record,
        _key(topic.key),
        "by key" if topic.compacted else _span(topic.retention_ms),
        "broker's" if topic.broker_time else "producer's",
        ", ".join(writers(topic)),
        ", ".join(readers(topic)),
        topic.purpose,
    )


def _stage_row(stage: Stage) -> tuple[str, ...]:
    return (
        stage.name,
        _names(stage.inputs),
        _names(stage.outputs),
        _names(topic.name for topic in stage.topics()),
        stage.purpose,
    )


def _names(topics: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in topics) or "none"


def _key(key: Key) -> str:
    match key:
        case Key.EVERY:
            return "none needed: written to every partition"
        case Key.SHARD:
            return "the partition is the shard"
    return key.value


def _span(retention_ms: int) -> str:
    if retention_ms == FOREVER_MS:
        return "for ever"
    length_ms, unit = next(span for span in _SPAN_MS if retention_ms % span[0] == 0)
    count = retention_ms // length_ms
    return f"{count} {unit}{'s' if count > 1 else ''}"


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    sys.exit(generated.main("docs/topology.md", render, "stream_topology.diagram"))
