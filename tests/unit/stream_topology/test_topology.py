import pytest

from schemas.generate import load_schemas
from stream_topology import diagram
from stream_topology.provision import kafka_config
from stream_topology.stages import STAGES, Stage, all_topics
from stream_topology.topics import RECORD_BYTES_MAX, TOPICS, Key, Topic, journal, snapshots

KEY_FIELDS = {Key.ACCOUNT: "account", Key.SYMBOL: "symbol", Key.CHANNEL: "channel"}


@pytest.mark.parametrize("stage", STAGES.values(), ids=lambda stage: stage.name)
def test_a_stages_topics_exist_and_are_named_once(stage: Stage) -> None:
    assert set(stage.inputs) | set(stage.outputs) <= TOPICS.keys()
    assert len(set(stage.inputs)) == len(stage.inputs)
    assert len(set(stage.outputs)) == len(stage.outputs)


@pytest.mark.parametrize("topic", all_topics(), ids=lambda topic: topic.name)
def test_a_topic_has_a_record_a_writer_and_a_reader(topic: Topic) -> None:
    assert topic.record in load_schemas()
    assert diagram.writers(topic)
    assert diagram.readers(topic)


@pytest.mark.parametrize("topic", all_topics(), ids=lambda topic: topic.name)
def test_a_record_has_the_field_that_its_key_is(topic: Topic) -> None:
    if topic.key in KEY_FIELDS:
        fields = {field["name"]: field["type"] for field in load_schemas()[topic.record]["fields"]}
        assert fields[KEY_FIELDS[topic.key]] == "string"


def test_topic_names_are_unique() -> None:
    names = [topic.name for topic in all_topics()]
    assert len(set(names)) == len(names)


def test_stages_that_decide_by_the_operator_merge_his_decisions_first() -> None:
    assert all(stage.inputs[0] == "control" for stage in STAGES.values() if stage.journaled)


def test_untrusted_writers_do_not_set_the_time() -> None:
    outside = {topic.name for topic in TOPICS.values() if topic.writers}
    assert outside == {topic.name for topic in TOPICS.values() if topic.broker_time}


@pytest.mark.parametrize(
    ("topic", "replication", "expected"),
    [
        (TOPICS["commands"], 1, {"message.timestamp.type": "LogAppendTime", "retention.ms": "-1"}),
        (TOPICS["stream"], 1, {"message.timestamp.type": "CreateTime", "retention.ms": "86400000"}),
        (TOPICS["orders"], 1, {"cleanup.policy": "delete", "min.insync.replicas": "1"}),
        (TOPICS["orders"], 3, {"min.insync.replicas": "2", "max.message.bytes": str(RECORD_BYTES_MAX)}),
        (snapshots("risk"), 1, {"cleanup.policy": "compact", "segment.bytes": "33554432"}),
        (journal("risk"), 1, {"cleanup.policy": "delete", "retention.ms": "-1"}),
    ],
)
def test_a_topics_settings(topic: Topic, replication: int, expected: dict[str, str]) -> None:
    config = kafka_config(topic, replication)
    assert {key: config[key] for key in expected} == expected
