"""Makes a Kafka cluster and a schema registry agree with the topology, or says where they do not.

First everything is compared. If anything must be refused, nothing is changed at all. A second run finds nothing to do.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from time import monotonic, sleep
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ClusterMetadata,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewTopic,
    ResourceType,
    TopicMetadata,
)

from schemas.generate import load_schemas
from schemas.registry import COMPATIBILITY, Registry, RegistryError
from stream_topology.compatibility import incompatibilities
from stream_topology.stages import all_topics
from stream_topology.subjects import subjects
from stream_topology.topics import RECORD_BYTES_MAX, SEGMENT_BYTES_COMPACTED, SHARDS_MAX, Topic

KAFKA_TIMEOUT_S: Final = 10.0
"""For one answer of the cluster, and for new topics to be seen by everybody."""

REGISTRY_TIMEOUT_S: Final = 10.0
"""For one answer of the registry: the first registration after its start is slow."""

REPLICAS_FOR_QUORUM: Final = 3
"""From so many replicas on a write needs two of them, so that one broker may be lost."""

_PREFIX: Final = re.compile(r"[A-Za-z0-9._-]{0,100}", re.ASCII)
_POLL_S: Final = 0.05


class ProvisionError(Exception):
    """The cluster or the registry cannot be made to agree; the text has one sentence a line."""


class Action(StrEnum):
    """What a difference asks for."""

    CREATE = "create"
    CHANGE = "change"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs from the topology."""

    action: Action
    what: str
    """The topic or the subject, such as "topic tradsys.commands"."""
    detail: str
    """What will be done, or why it cannot be."""

    def __str__(self) -> str:
        return f"{self.action} {self.what}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. `check` has changed nothing; `provision` has done it all."""

    differences: tuple[Difference, ...]
    topic_count: int
    subject_count: int

    @property
    def agrees(self) -> bool:
        """Whether there was nothing to do."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class _Step:
    """A difference and, unless it is refused, what removes it."""

    difference: Difference
    do: Callable[[], object] | None = None


def provision(bootstrap: str, registry_url: str, prefix: str, shards: int, replication: int = 1) -> Report:
    """Create and change what differs. Raises ProvisionError, having changed nothing, if something must be refused."""
    with Registry(registry_url, REGISTRY_TIMEOUT_S) as registry:
        steps = _compare(_Cluster(bootstrap), registry, _checked(prefix, shards, replication))
        refused = [step.difference.detail for step in steps if step.do is None]
        if refused:
            raise ProvisionError("\n".join(refused))
        try:
            for step in steps:
                if step.do:
                    step.do()
        except RegistryError as error:
            raise ProvisionError(str(error)) from error
    return _report(steps)


def check(bootstrap: str, registry_url: str, prefix: str, shards: int, replication: int = 1) -> Report:
    """What `provision` would do, and what it would refuse. Changes nothing."""
    with Registry(registry_url, REGISTRY_TIMEOUT_S) as registry:
        return _report(_compare(_Cluster(bootstrap), registry, _checked(prefix, shards, replication)))


def kafka_config(topic: Topic, replication: int) -> dict[str, str]:
    """The settings of a topic that the topology decides, in Kafka's words."""
    config = {
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "retention.ms": str(topic.retention_ms),
        "message.timestamp.type": "LogAppendTime" if topic.broker_time else "CreateTime",
        "max.message.bytes": str(RECORD_BYTES_MAX),
        # As the producer compressed it: the broker passes batches on without unpacking them.
        "compression.type": "producer",
        "min.insync.replicas": "2" if replication >= REPLICAS_FOR_QUORUM else "1",
    }
    if topic.compacted:
        config["segment.bytes"] = str(SEGMENT_BYTES_COMPACTED)
    return config


@dataclass(frozen=True, slots=True)
class _Wanted:
    prefix: str
    shards: int
    replication: int


def _checked(prefix: str, shards: int, replication: int) -> _Wanted:
    if not _PREFIX.fullmatch(prefix):
        raise ProvisionError(
            f"The prefix {prefix[:120]!r} cannot begin a topic's name: at most 100 letters, digits, '.', '_' and '-'."
        )
    if not 1 <= shards <= SHARDS_MAX:
        raise ProvisionError(f"{shards} shards are not possible: choose 1 to {SHARDS_MAX}.")
    if replication < 1:
        raise ProvisionError(f"A replication of {replication} is not possible: choose 1 or more.")
    return _Wanted(prefix, shards, replication)


def _report(steps: list[_Step]) -> Report:
    count = len(all_topics())
    return Report(tuple(step.difference for step in steps), count, count)


def _compare(cluster: "_Cluster", registry: Registry, wanted: _Wanted) -> list[_Step]:
    try:
        return [*_topic_steps(cluster, wanted), *_subject_steps(registry, wanted)]
    except RegistryError as error:
        raise ProvisionError(str(error)) from error


class _Cluster:
    """A Kafka cluster. Every method raises ProvisionError when it does not do what it is asked."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._admin = AdminClient(
            {"bootstrap.servers": bootstrap, "log_level": 0, "socket.timeout.ms": int(KAFKA_TIMEOUT_S * 1000)}
        )

    def metadata(self) -> ClusterMetadata:
        try:
            return self._admin.list_topics(timeout=KAFKA_TIMEOUT_S)
        except KafkaException as error:
            raise ProvisionError(
                f"No Kafka broker answers at {self.bootstrap} within {KAFKA_TIMEOUT_S:.0f} s "
                f"({error.args[0].str()}). Is it running, and is the address right?"
            ) from error

    def configs(self, names: list[str]) -> dict[str, Mapping[str, ConfigEntry]]:
        """Per topic its settings by name."""
        if not names:
            return {}
        asked = self._admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
        return {resource.name: self._done(future, resource.name) for resource, future in asked.items()}

    def create(self, topics: list[NewTopic]) -> None:
        """Create topics and wait until every partition has a leader."""
        for name, future in self._admin.create_topics(topics).items():
            self._done(future, name)
        wanted = {topic.topic: topic.num_partitions for topic in topics}
        deadline = monotonic() + KAFKA_TIMEOUT_S
        while True:
            known = self.metadata().topics
            late = [name for name, count in wanted.items() if not _is_led(known.get(name), count)]
            if not late:
                return
            if monotonic() > deadline:
                raise ProvisionError(
                    f"{', '.join(late)}: created, but without a leader after {KAFKA_TIMEOUT_S:.0f} s. "
                    f"Are all brokers running?"
                )
            sleep(_POLL_S)

    def configure(self, name: str, settings: Mapping[str, str]) -> None:
        """Change these settings of a topic, leave its others alone, and wait until the cluster shows them."""
        entries = [
            ConfigEntry(key, value, ConfigSource.DYNAMIC_TOPIC_CONFIG, incremental_operation=AlterConfigOpType.SET)
            for key, value in settings.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        self._done(self._admin.incremental_alter_configs([resource])[resource], name)
        deadline = monotonic() + KAFKA_TIMEOUT_S
        while any(self.configs([name])[name][key].value != value for key, value in settings.items()):
            if monotonic() > deadline:
                raise ProvisionError(
                    f"{name}: the cluster took {_settings(settings)} and does not show it after {KAFKA_TIMEOUT_S:.0f} s"
                )
            sleep(_POLL_S)

    def _done(self, future: Any, name: str) -> Any:
        try:
            return future.result(timeout=KAFKA_TIMEOUT_S)
        except (KafkaException, TimeoutError) as error:
            reason = error.args[0].str() if isinstance(error, KafkaException) else "no answer"
            raise ProvisionError(f"The Kafka cluster at {self.bootstrap} refused {name}: {reason}.") from error


def _is_led(topic: TopicMetadata | None, partitions: int) -> bool:
    return (
        topic is not None
        and len(topic.partitions) == partitions
        and all(partition.leader >= 0 for partition in topic.partitions.values())
    )


def _topic_steps(cluster: _Cluster, wanted: _Wanted) -> Iterator[_Step]:
    known = cluster.metadata().topics
    topics = {wanted.prefix + topic.name: topic for topic in all_topics()}
    configs = {name: kafka_config(topic, wanted.replication) for name, topic in topics.items()}
    existing = {name: known[name] for name in topics if name in known}
    yield from _refusals(existing, wanted)
    new = [
        NewTopic(name, wanted.shards, wanted.replication, config=configs[name]) for name in topics if name not in known
    ]
    for position, name in enumerate(topic.topic for topic in new):
        # The first step creates them all: the cluster elects the leaders of all in one round.
        create = partial(cluster.create, new) if position == 0 else _done_before
        detail = f"{wanted.shards} partitions, {_settings(configs[name])}"
        yield _Step(Difference(Action.CREATE, f"topic {name}", detail), create)
    for name, settings in cluster.configs(list(existing)).items():
        differing = {key: value for key, value in configs[name].items() if settings[key].value != value}
        if differing:
            detail = f"{_settings(differing)}; was {_settings({key: settings[key].value for key in differing})}"
            yield _Step(Difference(Action.CHANGE, f"topic {name}", detail), partial(cluster.configure, name, differing))


def _settings(config: Mapping[str, str | None]) -> str:
    return ", ".join(f"{key}={value}" for key, value in config.items())


def _done_before() -> None:
    """An earlier step has done it."""


def _refusals(existing: Mapping[str, TopicMetadata], wanted: _Wanted) -> Iterator[_Step]:
    """What cannot be changed on topics that hold records; one step for all topics with the same answer."""
    by_partitions: dict[int, list[str]] = {}
    by_replicas: dict[int, list[str]] = {}
    for name, topic in existing.items():
        by_partitions.setdefault(len(topic.partitions), []).append(name)
        by_replicas.setdefault(min(len(part.replicas) for part in topic.partitions.values()), []).append(name)
    for partitions, names in by_partitions.items():
        if partitions != wanted.shards:
            yield _refusal(
                names,
                f"{partitions} partitions, but {wanted.shards} shards are asked for. The number of shards of a prefix "
                f"cannot change: keys would move to other partitions, away from their state and their order. "
                f"Ask for {partitions} shards, or choose another prefix.",
            )
    for replicas, names in by_replicas.items():
        if replicas < wanted.replication:
            yield _refusal(
                names,
                f"{replicas} replicas, but {wanted.replication} are asked for. "
                f"Move the partitions with kafka-reassign-partitions.sh first.",
            )


def _refusal(names: list[str], reason: str) -> _Step:
    others = f" and {len(names) - 1} other topics have " if len(names) > 1 else " has "
    return _Step(Difference(Action.REFUSE, f"topic {names[0]}", names[0] + others + reason))


def _subject_steps(registry: Registry, wanted: _Wanted) -> Iterator[_Step]:
    registry.probe()
    schemas = load_schemas()
    for subject, record in subjects(wanted.prefix).items():
        schema = schemas[record]
        is_there = registry.lookup(subject, schema) is not None
        versions = registry.versions(subject)
        if not versions:
            do = partial(_new_subject, registry, subject, schema)
            yield _Step(Difference(Action.CREATE, f"subject {subject}", f"{record} with {COMPATIBILITY}"), do)
            continue
        level = registry.compatibility(subject)
        if level != COMPATIBILITY:
            detail = f"compatibility from {level} to {COMPATIBILITY}"
            change = partial(registry.set_compatibility, subject, COMPATIBILITY)
            yield _Step(Difference(Action.CHANGE, f"subject {subject}", detail), change)
        if not is_there:
            yield _version_step(registry, subject, schema, versions)


def _new_subject(registry: Registry, subject: str, schema: dict[str, Any]) -> None:
    registry.set_compatibility(subject, COMPATIBILITY)
    registry.register(subject, schema)


def _version_step(registry: Registry, subject: str, schema: dict[str, Any], versions: list[int]) -> _Step:
    written = {version: registry.version(subject, version) for version in versions}
    reasons = [
        f"{subject}: {reason} (against version {version})."
        for version, found in written.items()
        if found is not None
        for reason in incompatibilities(schema, json.loads(found[1]))
    ]
    if reasons:
        return _Step(Difference(Action.REFUSE, f"subject {subject}", "\n".join(reasons)))
    detail = f"a new version of {schema['name']}"
    return _Step(Difference(Action.CHANGE, f"subject {subject}", detail), partial(registry.register, subject, schema))
