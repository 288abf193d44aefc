"""Consume topics as a member of a group, through FastStream's broker.

Kafka assigns the partitions, PostgreSQL says where to resume: see `transport.group_reading`. Records arrive raw, since
one undecodable header would otherwise spoil its neighbours.
"""

from collections.abc import Sequence
from typing import Any, cast

import stamina
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka.message import KafkaMessage

from transport.addresses import Addresses
from transport.batch import Work
from transport.clients.kafka import KafkaBroker, make_broker, start_broker
from transport.clients.stepping_consumer import FETCH_MAX_BYTES, SteppingConsumer
from transport.framework_logging import FrameworkLog
from transport.group_reading import RELEASE_SECONDS, GroupReader, OnOwnership
from transport.records import KafkaRecord
from transport.resuming import Found, Places

SESSION_TIMEOUT = 10.0
"""Seconds without a heartbeat after which Kafka gives the partitions to another member."""
_IDLE_WAIT_MS = 1000
"""Milliseconds to wait for records before asking again."""
_GATHER_MS = 3
"""Milliseconds to wait for what else has come while a batch was handled; Kafka needs about one to answer."""


async def consume(  # noqa: PLR0913 - a consumer group has this many sides
    addresses: Addresses,
    *,
    group: str,
    topics: Sequence[str],
    work: Work,
    max_records: int = 500,
    turn_seconds: float = 0.0,
    found: Found | None = None,
    leader: str | None = None,
    assigned: OnOwnership | None = None,
    revoked: OnOwnership | None = None,
) -> None:
    """Read ``topics`` as a member of ``group`` until cancelled, in batches of at most ``max_records`` records.

    Raises: Unfit when the work does; the group has been left by then.

    From the beginning of one batch to that of the next it takes at least ``turn_seconds``, so that records that
    arrive quickly share transactions; a single record waits for nothing.

    Partitions with the same number of every topic go to the same member. ``assigned`` and ``revoked`` are called with
    the numbers of the partitions that come and go; ``assigned`` returns before any record of them is handed out.
    ``found`` is called with partitions that are about to be read, in the transaction that looked up their positions.
    ``leader`` is a group whose work moves the positions of this one too; this one reads where it is behind the leader.
    """
    places = Places(group, addresses.database, found, leader)
    reader = GroupReader(group, work, places, assigned, revoked, led=leader is not None, turn_seconds=turn_seconds)
    broker = broker_of(addresses, group, topics, reader, max_records)
    try:
        async for attempt in stamina.retry_context(on=KafkaError, attempts=None, timeout=None, wait_max=2.0):
            with attempt:
                await start_broker(
                    broker,
                    lambda: reader.positions,
                    reader.misplaced,
                    least_wait_ms=_IDLE_WAIT_MS,
                    gather_ms=_GATHER_MS,
                )
        await reader.watch()
    finally:
        await broker.stop()
        await reader.close()


def broker_of(
    addresses: Addresses, group: str, topics: Sequence[str], reader: GroupReader, max_records: int
) -> KafkaBroker:
    """Return a broker with the one batch subscriber that reads ``topics``; nothing is connected yet."""
    broker = make_broker(addresses.kafka, group, FrameworkLog(group))
    subscriber = broker.subscriber(
        *topics,
        group_id=group,
        batch=True,
        max_records=max_records,
        batch_timeout_ms=1,  # after an empty call the framework sleeps as long again
        fetch_max_bytes=FETCH_MAX_BYTES,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="none",
        isolation_level="read_committed",
        partition_assignment_strategy=[RangePartitionAssignor],
        session_timeout_ms=int(SESSION_TIMEOUT * 1000),
        heartbeat_interval_ms=int(SESSION_TIMEOUT * 1000 / 4),
        rebalance_timeout_ms=int((RELEASE_SECONDS + 2) * 1000),
        listener=reader,
        parser=_raw,
        decoder=_records,
    )
    subscriber(reader.receive)
    reader.consumer = lambda: cast("SteppingConsumer | None", subscriber.consumer)
    return broker


async def _raw(records: tuple[KafkaRecord, ...]) -> KafkaMessage:
    return KafkaMessage(body=b"", headers={}, raw_message=cast("Any", records), consumer=cast("Any", None))


async def _records(message: KafkaMessage) -> Any:  # noqa: ANN401 - the framework's own type
    return message.raw_message
