"""How decisions are written to the control topic: to every partition, or to none."""

import secrets
from collections.abc import Sequence
from typing import Final

from confluent_kafka import Producer

WRITE_S_MAX: Final = 15.0
"""For Kafka to say that it took them."""


def write_decisions(bootstrap: str, prefix: str, shards: int, values: Sequence[bytes]) -> None:
    """Write encoded Control records in one transaction. Raises KafkaException: then nobody knows whether they stand."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": f"{prefix}decisions-{secrets.token_hex(4)}",
            # One that is given up holds back all readers of committed records until the broker ends it.
            "transaction.timeout.ms": int(WRITE_S_MAX * 1_000),
            "log_level": 0,
        }
    )
    producer.init_transactions(WRITE_S_MAX)
    producer.begin_transaction()
    for value in values:
        for partition in range(shards):
            producer.produce(f"{prefix}control", value, partition=partition)
    producer.commit_transaction(WRITE_S_MAX)
