import re

import pytest

from stream_topology import diagram
from stream_topology.stages import STAGES, all_topics
from stream_topology.topics import TOPICS


def test_every_topic_and_stage_is_in_the_tables() -> None:
    text = diagram.render()
    for topic in all_topics():
        assert f"\n| `{topic.name}` | {topic.record} |" in text
    for stage in STAGES.values():
        inputs = ", ".join(f"`{name}`" for name in stage.inputs) or "none"
        assert f"\n| {stage.name} | {inputs} |" in text


def test_every_edge_of_the_picture_joins_nodes_that_are_drawn() -> None:
    picture = re.search(r"```mermaid\n(.*?)```", diagram.render(), re.DOTALL)
    assert picture
    lines = [line.strip() for line in picture[1].splitlines()[1:]]
    nodes = {re.match(r"\w+", line)[0] for line in lines if "-->" not in line}
    edges = [tuple(line.split(" --> ")) for line in lines if "-->" in line]
    assert {node for edge in edges for node in edge} == nodes
    assert ("commands", "stage_risk") in edges
    assert ("stage_matching", "trades") in edges
    assert ("stream", "outside_gateway") in edges
    assert len(edges) == len(set(edges))


@pytest.mark.parametrize(
    ("retention_ms", "words"),
    [(-1, "for ever"), (86_400_000, "1 day"), (604_800_000, "7 days"), (7_200_000, "2 hours")],
)
def test_a_span_of_time_in_words(retention_ms: int, words: str) -> None:
    assert diagram._span(retention_ms) == words


def test_dead_letters_come_from_every_stage() -> None:
    assert diagram.writers(TOPICS["dead_letters"]) == ("every stage with a journal",)
