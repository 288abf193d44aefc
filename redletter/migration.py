"""Create or upgrade topics and tables."""

import asyncio
from collections.abc import Mapping

from events.topics import RELAY_TOPIC, TOPICS
from projections import schema as read_side
from service.store import schema as write_side
from transport import topics
from transport.addresses import Addresses
from transport.clients import postgres
from transport.topics import TopicMismatch


def create_or_upgrade(addresses: Addresses, partitions: int) -> None:
    """Create what is missing, and check what exists.

    partitions: of every topic, and of the log. Raises: transport.topics.TopicMismatch,
    service.store.schema.LogMismatch, transport.clients.postgres.UnsuitableDatabase, and the client's error when a
    server cannot be reached.
    """
    read_models = addresses.of_read_side().database
    for database in dict.fromkeys((addresses.database, read_models)):
        postgres.check(database, "migrate")
    # The log first: its partition count can be corrected while it is empty, a topic's count cannot.
    write_side.migrate(addresses.database, partitions)
    try:
        asyncio.run(topics.ensure(addresses.kafka, TOPICS, partitions))
    except TopicMismatch as error:
        msg = f"{error}{_advice(error.counts)}"
        raise TopicMismatch(msg, error.counts) from None
    read_side.ensure_read_tables(read_models)


def _advice(counts: Mapping[str, int]) -> str:
    if counts == {RELAY_TOPIC: 1}:
        return ": it was made before the log had partitions. Start with empty topics and an empty database"
    return ". Set REDLETTER_TOPIC_PARTITIONS to the count the topics have, or start with empty topics"
