"""Who gets which shards, and when nobody gets any."""

from types import SimpleNamespace
from typing import Any

import pytest

from workers.shell.endings import Exit, WorkerError
from workers.shell.membership import Assignor

MEMBERS = {name: SimpleNamespace(subscription=["clock", "orders"]) for name in ("a", "b")}


def cluster(**partitions: int) -> Any:
    """What a broker says of its topics."""
    known = {topic: set(range(count)) for topic, count in partitions.items()}
    return SimpleNamespace(partitions_for_topic=known.get)


def test_a_shard_has_all_its_inputs() -> None:
    given = Assignor.assign(cluster(clock=4, orders=4), MEMBERS)
    assert dict(given["a"].assignment) == {"clock": [0, 1], "orders": [0, 1]}
    assert dict(given["b"].assignment) == {"clock": [2, 3], "orders": [2, 3]}


def test_of_a_broker_that_does_not_know_a_topic_yet_nobody_gets_any_shard() -> None:
    with pytest.raises(WorkerError, match="the broker does not know orders") as raised:
        Assignor.assign(cluster(clock=4), MEMBERS)
    assert raised.value.code is Exit.BROKER_FAILED
