"""Create or upgrade topics and tables."""

import asyncio

from projections import schema as read_side
from service.store import schema as write_side
from transport import topics
from transport.addresses import Addresses
from transport.clients import postgres


def migrate(addresses: Addresses, partitions: int) -> None:
    """Create what is missing, check what is there.

    partitions: of every topic, and of the log. Raises: transport.topics.TopicMismatch,
    service.store.schema.LogMismatch, transport.clients.postgres.UnsuitableDatabase, and whatever says that a server
    cannot be reached.
    """
    postgres.check(addresses.database, "migrate")
    # The log first: while it is empty its count can be mended, that of a topic cannot.
    write_side.migrate(addresses.database, partitions)
    asyncio.run(topics.ensure(addresses.kafka, partitions))
    read_side.ensure(addresses.database)
