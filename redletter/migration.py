"""Create or upgrade topics and tables."""

import asyncio

from projections import schema as read_side
from service.store import schema as write_side
from transport import topics
from transport.addresses import Addresses
from transport.clients import postgres


def migrate(addresses: Addresses, partitions: int) -> None:
    """Create what is missing, and check what exists.

    partitions: of every topic, and of the log. Raises: transport.topics.TopicMismatch,
    service.store.schema.LogMismatch, transport.clients.postgres.UnsuitableDatabase, and the client's error when a
    server cannot be reached.
    """
    postgres.check(addresses.database, "migrate")
    # The log first: its partition count can be corrected while it is empty, a topic's count cannot.
    write_side.migrate(addresses.database, partitions)
    asyncio.run(topics.ensure(addresses.kafka, partitions))
    read_side.ensure_read_tables(addresses.database)
