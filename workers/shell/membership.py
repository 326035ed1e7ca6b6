"""Faust's part: the group. It says which shards are ours; the records themselves are read by each shard.

Faust's own consumer gives one event a record, and even one event a batch costs about 1.2 ms of CPU; it also seeks
anew after each rebalance. Here it joins the group, keeps the membership alive in its own thread and tells what was
assigned, and its fetcher is paused: each shard reads with librdkafka from its own positions.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.protocol.group import LeaveGroupRequest
from faust.transport.drivers import aiokafka as driver
from mode import Service

from stream_topology.stages import Stage
from workers.shell.endings import Exit, WorkerError
from workers.shell.settings import HEARTBEAT_S, LEAVE_TIMEOUT_S, REBALANCE_TIMEOUT_S, SESSION_TIMEOUT_S, Settings

Assigned = Callable[[set[int]], None]


class Listener(driver.ConsumerRebalanceListener):
    """Runs in the consumer's thread, inside the group protocol."""

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> Any:
        """The group is changing. Shards go on: whoever loses one learns it from the new assignment, or is fenced."""
        return super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Nothing is fetched here: the shards read for themselves."""
        self._thread._ensure_consumer().pause(*assigned)  # noqa: SLF001 - Faust's own name for it
        await super().on_partitions_assigned(assigned)


class Assignor(RangePartitionAssignor):  # type: ignore[misc]  # aiokafka has no types
    """Gives out nothing rather than less than there is: static members keep what they were given for long."""

    @classmethod
    def assign(cls, cluster: Any, members: Any) -> Any:
        """Raises WorkerError when a topic is not known, as by a broker that has just started."""
        topics = {topic for member in members.values() for topic in member.subscription}
        unknown = sorted(topic for topic in topics if not cluster.partitions_for_topic(topic))
        if unknown:
            raise WorkerError(Exit.BROKER_FAILED, f"the broker does not know {', '.join(unknown)}")
        return super().assign(cluster, members)


class GroupThread(driver.AIOKafkaConsumerThread):
    """The thread that holds the membership."""

    consumer: "GroupConsumer"

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._partition_assignment_strategy = (Assignor,)  # noqa: SLF001 - Faust offers no setting
        return consumer

    async def on_start(self) -> None:
        """Join, and watch for the loss and the end of the membership."""
        await super().on_start()
        consumer = self._ensure_consumer()
        # aiokafka leaves the group when nothing was fetched for long: one fetch is in progress for ever.
        consumer._subscription._fetch_count += 1  # noqa: SLF001
        coordinator = consumer._coordinator  # noqa: SLF001
        reset = coordinator.reset_generation

        def reset_generation() -> None:
            if coordinator.generation > 0 and not self.consumer.leaving:
                self.consumer.lost()
            reset()

        coordinator.reset_generation = reset_generation
        self._watching = asyncio.create_task(self._watch(coordinator))

    async def _watch(self, coordinator: Any) -> None:
        """End with the membership: aiokafka tells its end to whoever fetches next, and here nobody does."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            try:
                coordinator.check_errors()
            except Exception as error:  # noqa: BLE001 - whatever has ended it
                self.consumer.failed(error)
                return

    async def leave(self) -> None:
        """Tell the group that this member is gone for good; aiokafka does not do it for static members."""
        await self.call_thread(self._leave)

    async def _leave(self) -> None:
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001
        if coordinator.generation > 0 and coordinator.coordinator_id is not None:
            await coordinator._send_req(LeaveGroupRequest(coordinator.group_id, coordinator.member_id))  # noqa: SLF001


class GroupConsumer(driver.Consumer):
    """Faust's consumer, reduced to the membership."""

    RebalanceListener = Listener
    app: "GroupApp"
    _thread: GroupThread
    leaving = False

    def _new_consumer_thread(self) -> GroupThread:
        return GroupThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        """See Listener: shards go on."""

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:  # noqa: ARG002 - Faust's
        """Give the shards to whoever runs them."""
        self.app.rebalancing = False
        self.app.assign({(tp.topic, tp.partition) for tp in assigned})

    async def verify_all_partitions_active(self) -> None:
        """Faust would warn that nothing is fetched here; the watchdog looks after that."""

    async def commit(self, *_: Any, **__: Any) -> bool:
        """Offsets are committed by the shards' transactions."""
        return False

    async def leave(self) -> None:
        """Leave the group."""
        await self._thread.leave()

    async def on_stop(self) -> None:
        """Nothing is unacknowledged."""

    def lost(self) -> None:
        """The group goes on without this member: it was away for longer than the session."""
        self.loop.call_soon_threadsafe(self.app.lost)

    def failed(self, reason: Exception) -> None:
        """The group does not take this member, or aiokafka has given up."""
        self.loop.call_soon_threadsafe(self.app.failed, reason)


class GroupApp(faust.App):
    """A Faust app that has a consumer and nothing else: no agents, tables, producer or web server."""

    def __init__(
        self,
        stage: Stage,
        settings: Settings,
        instance: int,
        on_assigned: Assigned,
        on_error: Callable[[WorkerError], None],
    ) -> None:
        """`on_assigned` is told the shards after every rebalance; `on_error` why the membership cannot go on."""
        group = settings.prefix + stage.name
        super().__init__(
            group,
            broker=f"kafka://{settings.bootstrap}",
            store="memory://",
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            stream_wait_empty=False,
            consumer_group_instance_id=f"{group}-{instance}",  # static: a quick restart does not rebalance
            broker_session_timeout=SESSION_TIMEOUT_S,
            broker_heartbeat_interval=HEARTBEAT_S,
            broker_rebalance_timeout=REBALANCE_TIMEOUT_S,
            broker_commit_interval=60.0,
        )
        self.transport.Consumer = GroupConsumer  # type: ignore[misc]
        self._stage = stage
        self._prefix = settings.prefix
        self._on_assigned = on_assigned
        self._on_error = on_error

    def on_init_dependencies(self) -> Iterable[Service]:
        """What is started with the app."""
        return [self._group()]

    async def on_first_start(self) -> None:
        """Faust would make a data directory; there are no tables."""

    async def on_start(self) -> None:
        """There is nothing to finalise."""
        self.finalize()

    async def on_started(self) -> None:
        """Join the group."""
        await self.consumer.subscribe([self._prefix + topic for topic in self._stage.inputs])

    async def on_stop(self) -> None:
        """There is nothing to flush."""

    def on_rebalance_start(self) -> None:
        """Runs in the consumer's thread."""
        self.rebalancing = True

    def on_rebalance_return(self) -> None:
        """Faust would count it."""

    async def leave(self) -> None:
        """Leave the group."""
        consumer = self._group()
        consumer.leaving = True
        await asyncio.wait_for(consumer.leave(), LEAVE_TIMEOUT_S)

    def _group(self) -> GroupConsumer:
        assert isinstance(self.consumer, GroupConsumer)
        return self.consumer

    def assign(self, assigned: set[tuple[str, int]]) -> None:
        """Check that each shard has all its inputs, and hand the shards on."""
        shards = {partition for _, partition in assigned}
        for shard in sorted(shards):
            missing = [t for t in self._stage.inputs if (self._prefix + t, shard) not in assigned]
            if missing:
                sentence = (
                    f"{self._stage.name}: the inputs are not co-partitioned: shard {shard} was assigned without "
                    f"{', '.join(missing)}. All sharded topics must have the same number of partitions."
                )
                self._on_error(WorkerError(Exit.UNUSABLE, sentence))
                return
        self._on_assigned(shards)

    def lost(self) -> None:
        """End the process: its shards may have been given to others."""
        sentence = f"{self._stage.name}: the group has gone on without this process; it was away for too long"
        self._on_error(WorkerError(Exit.FENCED, sentence))

    def failed(self, reason: Exception) -> None:
        """End the process: it has no shards and gets none."""
        sentence = f"{self._stage.name}: the membership in the group failed: {reason!r}"
        self._on_error(WorkerError(Exit.UNUSABLE, sentence))
