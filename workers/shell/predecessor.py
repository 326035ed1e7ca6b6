"""Ends the transactions that this instance's predecessor was killed in, before anything else is loaded.

Until then whoever reads committed records of the topics it wrote to sees nothing that came later, be it from other
workers: a kill that hits an open transaction would silence them for as long as a restart takes. Which shards it had is
asked of the group, where a static member keeps its place for a while. Restoring a shard fences again; should the shards
have been given to others in just that moment, those find themselves fenced and start again, as after any take-over.
"""

from contextlib import suppress
from threading import Thread
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from stream_topology.stages import Stage
from workers.shell.endings import WorkerError
from workers.shell.settings import Settings
from workers.shell.transactions import TransactionalProducer

_ASK_TIMEOUT_S: Final = 2.0
"""Whoever gets no answer goes on without: a restore waits for the broker, and says when it does not answer."""


def settle(stage: Stage, instance: int, settings: Settings) -> set[int]:
    """Fence the predecessor in all of its shards. Returns which these were; none when nobody knows."""
    shards = _shards(f"{settings.prefix}{stage.name}", instance, settings)
    threads = [Thread(target=_fence, args=(f"{settings.prefix}{stage.name}-{shard}", settings)) for shard in shards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return shards


def _shards(group: str, instance: int, settings: Settings) -> set[int]:
    """What the group has given to this instance."""
    asking = AdminClient({"bootstrap.servers": settings.bootstrap, "log_level": 0})
    try:
        answers = asking.describe_consumer_groups([group], request_timeout=_ASK_TIMEOUT_S)
        members = answers[group].result(_ASK_TIMEOUT_S).members
    except (KafkaException, TimeoutError):
        return set()
    return {
        partition.partition
        for member in members
        if member.group_instance_id == f"{group}-{instance}" and member.assignment
        for partition in member.assignment.topic_partitions
    }


def _fence(transactional_id: str, settings: Settings) -> None:
    with suppress(WorkerError):  # the restore fails in the same way, and says so
        TransactionalProducer(settings, transactional_id).fence()
