"""Sharing the partitions of a topic among processes, without reading it."""

from collections.abc import Awaitable, Callable

import stamina
import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError

from transport.clients import kafka
from transport.clients.kafka import KafkaConsumer
from transport.metrics import OWN_GROUPS

log = structlog.get_logger(__name__)

SESSION_TIMEOUT_MS = 10_000
"""Milliseconds without a heartbeat after which Kafka gives the partitions to another member."""
HEARTBEAT_MS = 1_000
Holding = Callable[[frozenset[int]], Awaitable[None]]
"""Called with the numbers of the partitions that are held from now on; returns when the others are let go."""


async def share(bootstrap: str, *, group: str, topic: str, hold: Holding) -> None:
    """Hold a share of a topic's partitions as a member of a group, until cancelled."""
    OWN_GROUPS.joining(group)
    try:
        async for attempt in stamina.retry_context(on=KafkaError, attempts=None, timeout=None, wait_max=2.0):
            with attempt:
                await _share(bootstrap, group, topic, hold)
    finally:
        OWN_GROUPS.left(group)


async def _share(bootstrap: str, group: str, topic: str, hold: Holding) -> None:
    member = kafka.make_consumer(
        bootstrap,
        group,
        group_id=group,
        isolation="read_uncommitted",
        enable_auto_commit=False,
        auto_offset_reset="latest",
        partition_assignment_strategy=[RangePartitionAssignor],
        session_timeout_ms=SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
        rebalance_timeout_ms=SESSION_TIMEOUT_MS,
    )
    member.subscribe([topic], listener=_Listener(member, group, hold))
    try:
        await member.start()
        while True:
            # Nothing comes, since all is paused; but a member that never asks is taken for dead.
            await member.getmany(timeout_ms=SESSION_TIMEOUT_MS)
    finally:
        await hold(frozenset())
        await kafka.stop(member)
        await hold(frozenset())  # a share that came in between


class _Listener(ConsumerRebalanceListener):
    def __init__(self, member: KafkaConsumer, group: str, hold: Holding) -> None:
        self._member = member
        self._group = group
        self._hold = hold

    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride] - the client awaits it
        self,
        revoked: set[TopicPartition],  # noqa: ARG002 - it is all of them
    ) -> None:
        await self._hold(frozenset())

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride] - the client awaits it
        self, assigned: set[TopicPartition]
    ) -> None:
        self._member.pause(*assigned)
        await self._hold(frozenset(partition.partition for partition in assigned))
        OWN_GROUPS.assigned(self._group, len(assigned))
        log.info("partitions_assigned", group=self._group, partitions=len(assigned))
