"""How decisions are written to the control topic: to every partition, or to none."""

import secrets
from collections.abc import Sequence
from typing import Final

from confluent_kafka import Message, Producer

WRITE_S_MAX: Final = 15.0
"""For Kafka to say that it took them."""


def write_decisions(bootstrap: str, prefix: str, shards: int, values: Sequence[bytes]) -> list[int]:
    """Write encoded Control records in one transaction; the offset of each in the first partition.

    Raises KafkaException: then nobody knows whether they stand.
    """
    offsets: list[int] = []

    def delivered(error: object, message: Message) -> None:
        offset = message.offset()
        if error is None and message.partition() == 0 and offset is not None:
            offsets.append(offset)

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": f"{prefix}decisions-{secrets.token_hex(4)}",
            # One that is given up holds back all readers of committed records until the broker ends it.
            "transaction.timeout.ms": int(WRITE_S_MAX * 1_000),
            "log_level": 0,
        }
    )
    producer.list_topics(timeout=WRITE_S_MAX)  # else it looks for the coordinator again after half a second
    producer.init_transactions(WRITE_S_MAX)
    producer.begin_transaction()
    for value in values:
        for partition in range(shards):
            producer.produce(f"{prefix}control", value, partition=partition, on_delivery=delivered)
    producer.flush(WRITE_S_MAX)  # a commit alone leaves the reports unread
    producer.commit_transaction(WRITE_S_MAX)
    return offsets
