"""Provisioning a real cluster and a real registry."""

import copy
import json
import time
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from schemas.generate import load_schemas
from schemas.registry import COMPATIBILITY, Registry
from stream_topology import provision as provisioning
from stream_topology.provision import Action, ProvisionError, check, provision
from stream_topology.stages import all_topics
from stream_topology.subjects import subject_of
from stream_topology.topics import DEFAULT_SHARDS


def admin(stack: Any) -> AdminClient:
    return AdminClient({"bootstrap.servers": stack.bootstrap})


def until(client: AdminClient, topic: str, *, there: bool) -> None:
    """Making and deleting a topic goes on after the answer."""
    deadline_s = time.monotonic() + 60
    while (topic in client.list_topics(timeout=60).topics) is not there:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def config(stack: Any, topic: str) -> dict[str, str]:
    client = admin(stack)  # its futures live as long as it does
    (future,) = client.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return {name: entry.value for name, entry in future.result(timeout=60).items()}


def test_a_fresh_cluster_agrees_after_one_run_and_a_second_changes_nothing(stack: Any, topic_prefix: str) -> None:
    arguments = (stack.bootstrap, stack.registry_url, topic_prefix, DEFAULT_SHARDS)
    planned = check(*arguments)
    assert not planned.agrees
    assert {difference.action for difference in planned.differences} == {Action.CREATE}
    assert len(planned.differences) == planned.topic_count + planned.subject_count == 2 * len(all_topics())
    assert not [name for name in admin(stack).list_topics(timeout=60).topics if name.startswith(topic_prefix)]

    assert provision(*arguments).differences == planned.differences
    assert check(*arguments).agrees
    assert provision(*arguments).agrees

    topics = admin(stack).list_topics(timeout=60).topics
    for topic in all_topics():
        assert len(topics[topic_prefix + topic.name].partitions) == DEFAULT_SHARDS
    with Registry(stack.registry_url) as registry:
        assert registry.compatibility(subject_of(f"{topic_prefix}orders")) == COMPATIBILITY
        assert registry.versions(subject_of(f"{topic_prefix}orders")) == [1]


def test_the_broker_tells_the_time_of_commands(stack: Any, topic_prefix: str) -> None:
    provision(stack.bootstrap, stack.registry_url, topic_prefix, 1)
    assert config(stack, f"{topic_prefix}commands")["message.timestamp.type"] == "LogAppendTime"
    assert config(stack, f"{topic_prefix}trades")["message.timestamp.type"] == "CreateTime"
    assert config(stack, f"{topic_prefix}risk.snapshots")["cleanup.policy"] == "compact"


def test_a_record_beyond_the_limit_is_refused_by_the_broker(stack: Any, topic_prefix: str) -> None:
    provision(stack.bootstrap, stack.registry_url, topic_prefix, 1)
    producer = Producer({"bootstrap.servers": stack.bootstrap, "message.max.bytes": 3_000_000})
    errors = []
    producer.produce(f"{topic_prefix}commands", b"x" * 2_000_000, on_delivery=lambda error, _: errors.append(error))
    producer.flush(20)
    assert [error.name() for error in errors] == ["MSG_SIZE_TOO_LARGE"]


def test_a_changed_setting_is_found_and_put_right(stack: Any, topic_prefix: str) -> None:
    arguments = (stack.bootstrap, stack.registry_url, topic_prefix, 1)
    provision(*arguments)
    cluster = provisioning._Cluster(stack.bootstrap)
    cluster.configure(f"{topic_prefix}commands", {"message.timestamp.type": "CreateTime", "segment.ms": "60000"})
    with Registry(stack.registry_url) as registry:
        registry.set_compatibility(subject_of(f"{topic_prefix}trades"), "FULL_TRANSITIVE")

    right, wrong = "message.timestamp.type=LogAppendTime", "message.timestamp.type=CreateTime"
    found = [str(difference) for difference in check(*arguments).differences]
    assert found == [
        f"change topic {topic_prefix}commands: {right}; was {wrong}",
        f"change subject {topic_prefix}trades-value: compatibility from FULL_TRANSITIVE to BACKWARD_TRANSITIVE",
    ]
    assert [str(difference) for difference in provision(*arguments).differences] == found
    assert check(*arguments).agrees
    kept = config(stack, f"{topic_prefix}commands")
    assert (kept["message.timestamp.type"], kept["segment.ms"]) == ("LogAppendTime", "60000")


def test_what_is_missing_is_added_beside_what_is_there(stack: Any, topic_prefix: str) -> None:
    arguments = (stack.bootstrap, stack.registry_url, topic_prefix, 2)
    provision(*arguments)
    client = admin(stack)
    for future in client.delete_topics([f"{topic_prefix}tickers"]).values():
        future.result(timeout=60)
    until(client, f"{topic_prefix}tickers", there=False)
    (difference,) = provision(*arguments).differences
    assert (difference.action, difference.what) == (Action.CREATE, f"topic {topic_prefix}tickers")
    assert check(*arguments).agrees


def test_another_number_of_shards_is_refused(stack: Any, topic_prefix: str) -> None:
    provision(stack.bootstrap, stack.registry_url, topic_prefix, 1)
    with pytest.raises(
        ProvisionError, match=r"commands and \d+ other topics have 1 partitions, but 2 shards are asked"
    ):
        provision(stack.bootstrap, stack.registry_url, topic_prefix, 2)
    (difference,) = check(stack.bootstrap, stack.registry_url, topic_prefix, 2).differences
    assert difference.action is Action.REFUSE
    assert "keys would move to other partitions" in difference.detail


def test_too_few_replicas_are_refused(stack: Any, topic_prefix: str) -> None:
    client = admin(stack)
    for future in client.create_topics([NewTopic(f"{topic_prefix}commands", 1, 1)]).values():
        future.result(timeout=60)
    until(client, f"{topic_prefix}commands", there=True)
    with pytest.raises(ProvisionError, match=r"commands has 1 replicas, but 3 are asked for\. Move the partitions"):
        provision(stack.bootstrap, stack.registry_url, topic_prefix, 1, replication=3)


def test_an_incompatible_schema_is_refused_with_the_reason_and_nothing_changes(
    stack: Any, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (stack.bootstrap, stack.registry_url, topic_prefix, 1)
    provision(*arguments)
    schemas = copy.deepcopy(load_schemas())
    schemas["Mark"]["fields"].append({"name": "venue", "type": "string"})
    schemas["Tick"]["fields"].append({"name": "zone", "type": "string", "default": "UTC"})
    monkeypatch.setattr(provisioning, "load_schemas", lambda: schemas)
    with pytest.raises(ProvisionError) as caught:
        provision(*arguments)
    assert str(caught.value) == (
        f"{topic_prefix}marks-value: Mark.venue is new and has no default: "
        f"records written without it could not be read. Give it a default (against version 1)."
    )
    with Registry(stack.registry_url) as registry:
        assert registry.versions(subject_of(f"{topic_prefix}clock")) == [1]
        # The registry itself refuses it too, whoever asks.
        body = {"schema": json.dumps(schemas["Mark"])}
        url = f"{stack.registry_url}/subjects/{subject_of(f'{topic_prefix}marks')}/versions"
        assert httpx.post(url, json=body).status_code == 409


def test_a_compatible_schema_becomes_a_version(stack: Any, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = (stack.bootstrap, stack.registry_url, topic_prefix, 1)
    provision(*arguments)
    schemas = copy.deepcopy(load_schemas())
    schemas["Tick"]["fields"].append({"name": "zone", "type": "string", "default": "UTC"})
    monkeypatch.setattr(provisioning, "load_schemas", lambda: schemas)
    (difference,) = provision(*arguments).differences
    assert str(difference) == f"change subject {topic_prefix}clock-value: a new version of Tick"
    assert provision(*arguments).agrees
    with Registry(stack.registry_url) as registry:
        assert registry.versions(subject_of(f"{topic_prefix}clock")) == [1, 2]


def test_a_registry_that_is_down_is_named(stack: Any, topic_prefix: str) -> None:
    with pytest.raises(ProvisionError, match=r"schema registry at http://127\.0\.0\.1:1 does not answer: .*refused"):
        provision(stack.bootstrap, "http://127.0.0.1:1", topic_prefix, 1)
    assert not [name for name in admin(stack).list_topics(timeout=60).topics if name.startswith(topic_prefix)]
