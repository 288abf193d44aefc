"""The worker's store, in a database of the test's own."""

from collections.abc import Iterator

import pytest
from aiokafka import TopicPartition

from service.store.event_store import Store
from tests.service.support.batches import TOPIC
from transport.addresses import Addresses


@pytest.fixture
def database(addresses: Addresses) -> str:
    """Return the URL of the database."""
    return addresses.database


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """Return a store that has the position of the partition that batches come from."""
    store = Store(database)
    store.positions([TopicPartition(TOPIC, 0)])
    yield store
    store.close()
