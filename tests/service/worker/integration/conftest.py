"""The worker's store, in a database of the test's own."""

from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka import TopicPartition

from service.store.event_store import Store
from service.worker import deciding
from tests.service.support.batches import TOPIC
from tests.service.support.parking import BUG, Writing, decide_rightly
from transport.addresses import Addresses


@pytest.fixture
def database(fresh_database: Addresses) -> str:
    """Return the URL of the database."""
    return fresh_database.database


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """Return a store that has the position of the partition that batches come from."""
    store = Store(database)
    store.positions([TopicPartition(TOPIC, 0)])
    yield store
    store.close()


@pytest.fixture
def writing(store: Store) -> Writing:
    """Return a worker that writes to the store."""
    return Writing(store)


@pytest.fixture
def bugs(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Give the numbers of invoices whose decisions raise."""
    numbers: set[str] = set()

    def failing(state: Any, claims: Any, command: Any, moment: Any) -> Any:
        if command.invoice_number in numbers:
            raise RuntimeError(BUG.format(command.invoice_number))
        return decide_rightly(state, claims, command, moment)

    monkeypatch.setattr(deciding, "decide", failing)
    return numbers
