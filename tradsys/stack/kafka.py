"""The broker: one node, KRaft, loopback only."""

import base64
import os
import shutil
import socket
import subprocess
import uuid
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tradsys.errors import CommandError
from tradsys.settings import LOOPBACK, Settings
from tradsys.stack.jvm import ENVIRONMENT, Jvm
from tradsys.stack.part import NotReadyError, Part, write_if_changed

HEAP_MB_MAX: Final = 512
ANSWER_TIMEOUT_S: Final = 2.0
ERROR_LINES: Final = 15
ASCII_END: Final = 128

_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}

# Topics are made by provisioning only: a misspelt name is an error, not a topic.
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# One member is the whole group here: nobody else will come within the usual three seconds.
group.initial.rebalance.delay.ms=0
# A producer that died in a transaction hides everything after it until its time-out is noticed.
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
# After a kill the open segment of each partition is read whole.
log.segment.bytes=134217728
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=4
# An idle node writes an empty metadata record twice a second by default.
metadata.max.idle.interval.ms=5000
"""

_LOGGING: Final = """\
status=WARN
rootLogger.level=INFO
rootLogger.appenderRef.console.ref=STDOUT
appender.console.type=Console
appender.console.name=STDOUT
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=[%d] %p %m (%c)%n
"""


def kafka_part(settings: Settings, jvm: Jvm, *, record_classes: Path | None = None) -> Part:
    """The broker as a part; with `record_classes` it writes its class-data archive there when it ends."""
    directory = settings.home / "kafka"
    rest = (
        f"-Dlog4j2.configurationFile={directory / 'log4j2.properties'}",
        "-cp",
        str(jvm.jars / "kafka" / "*"),
        "kafka.Kafka",
        str(directory / "server.properties"),
    )
    if record_classes:
        command = jvm.recording_command(record_classes, HEAP_MB_MAX, *rest)
    else:
        command = jvm.command("kafka", HEAP_MB_MAX, *rest)
    return Part(
        name="kafka",
        layer="stack",
        command=command,
        directory=directory,
        environment=ENVIRONMENT,
        ports=(settings.ports.kafka, settings.ports.kafka_controller),
        port_flag="--kafka-port",
        stop_timeout_s=30,
        prepare=lambda: _prepare(settings, jvm, directory),
        ready=lambda: _ready(settings),
    )


def _prepare(settings: Settings, jvm: Jvm, directory: Path) -> None:
    data = directory / "data"
    properties = _PROPERTIES.format(
        host=LOOPBACK, port=settings.ports.kafka, controller_port=settings.ports.kafka_controller, data=_escaped(data)
    )
    write_if_changed(directory / "server.properties", properties)
    write_if_changed(directory / "log4j2.properties", _LOGGING)
    if not (data / "meta.properties").exists():
        _format(jvm, directory, data)


def _format(jvm: Jvm, directory: Path, data: Path) -> None:
    shutil.rmtree(data, ignore_errors=True)  # what a format that was cut short left
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    command = jvm.command(
        "kafka",
        HEAP_MB_MAX,
        f"-Dlog4j2.configurationFile={directory / 'log4j2.properties'}",
        "-cp",
        str(jvm.jars / "kafka" / "*"),
        "kafka.tools.StorageTool",
        "format",
        f"--cluster-id={cluster_id}",
        "--config",
        str(directory / "server.properties"),
    )
    done = subprocess.run(  # noqa: S603 - our own broker
        command, capture_output=True, text=True, check=False, env={**os.environ, **ENVIRONMENT}
    )
    if done.returncode:
        lines = f"{done.stdout}{done.stderr}".splitlines()[-ERROR_LINES:]
        raise CommandError("\n".join([f"Kafka could not format {data}:", *lines]))


def _escaped(path: Path) -> str:
    """A path as Java's properties files take it: they are read as Latin-1, other characters as UTF-16 escapes."""
    units = str(path).encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
    return "".join(chr(code) if code < ASCII_END else f"\\u{code:04x}" for code in codes)


def _ready(settings: Settings) -> None:
    """A broker that is registered and unfenced tells its own address."""
    try:
        socket.create_connection((LOOPBACK, settings.ports.kafka), ANSWER_TIMEOUT_S).close()
    except OSError as error:
        raise NotReadyError(f"nothing answers on port {settings.ports.kafka}") from error
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0})
    try:
        if not admin.list_topics(timeout=ANSWER_TIMEOUT_S).brokers:
            raise NotReadyError("the broker is not registered yet")
    except KafkaException as error:
        raise NotReadyError(f"the broker does not answer: {error.args[0].str()}") from error
