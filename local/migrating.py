"""Lay the topics and the tables, or bring them up to date."""

import asyncio

from projections import schema as read_side
from service import schema as write_side
from transport import database, topics
from transport.addresses import Addresses


def migrate(addresses: Addresses, partitions: int) -> None:
    """Create what is missing, check what is there.

    partitions: of every topic but the relay's own. Raises: transport.topics.TopicMismatch,
    transport.database.UnsuitableDatabase, and whatever says that a server cannot be reached.
    """
    database.check(addresses.database, "migrate")
    asyncio.run(topics.ensure(addresses.kafka, partitions))
    write_side.migrate(addresses.database)
    read_side.ensure(addresses.database)
