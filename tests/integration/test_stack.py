"""The stack that integration tests run on: what they rely on."""

import json
import urllib.error
import urllib.request
from typing import Any

import psycopg
import pytest
import valkey
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic


def test_kafka_takes_transactions(stack: Any, topic_prefix: str) -> None:
    topic = f"{topic_prefix}orders"
    admin = AdminClient({"bootstrap.servers": stack.bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(10)
    producer = Producer({"bootstrap.servers": stack.bootstrap, "transactional.id": topic})
    producer.init_transactions(10)
    for value, commit in ((b"aborted", False), (b"committed", True)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(10)
        (producer.commit_transaction if commit else producer.abort_transaction)(10)
    consumer = Consumer(
        {
            "bootstrap.servers": stack.bootstrap,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    try:
        consumer.subscribe([topic])
        message = consumer.poll(20)
        assert message is not None
        assert message.value() == b"committed"
    finally:
        consumer.close()
        admin.delete_topics([topic])[topic].result(10)


def test_a_misspelt_topic_is_an_error_not_a_topic(stack: Any, topic_prefix: str) -> None:
    producer = Producer({"bootstrap.servers": stack.bootstrap, "message.timeout.ms": 1000})
    outcomes: list[Any] = []
    producer.produce(f"{topic_prefix}odrers", b"x", on_delivery=lambda error, _: outcomes.append(error))
    producer.flush(20)
    assert outcomes
    assert outcomes[0].name() in {"_UNKNOWN_TOPIC", "UNKNOWN_TOPIC_OR_PART", "_MSG_TIMED_OUT"}


def test_the_registry_refuses_what_would_lock_out_readers(stack: Any, topic_prefix: str) -> None:
    subject = f"{stack.registry_url}/subjects/{topic_prefix}trades-value"
    first = {"type": "record", "name": "T", "fields": [{"name": "a", "type": "int"}]}
    more = {"type": "record", "name": "T", "fields": [*first["fields"], {"name": "b", "type": "string"}]}
    assert _post(f"{subject}/versions", first)["id"] > 0
    with pytest.raises(urllib.error.HTTPError) as refusal:
        _post(f"{subject}/versions", more)
    assert refusal.value.code == 409
    refusal.value.close()


def test_postgres_and_valkey_answer_to_their_passwords(stack: Any, topic_prefix: str) -> None:
    with psycopg.connect(stack.db_dsn) as connection:
        assert connection.execute("SELECT 40 + 2").fetchone() == (42,)
    with valkey.from_url(stack.valkey_url) as client:
        client.set(topic_prefix, "ticket", ex=60)
        assert client.getdel(topic_prefix) == b"ticket"
        assert client.get(topic_prefix) is None


def _post(url: str, schema: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps({"schema": json.dumps(schema)}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
        parsed: dict[str, Any] = json.load(answer)
        return parsed
