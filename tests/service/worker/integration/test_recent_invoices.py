"""What a worker remembers of its latest batches saves it a query, and never a look at what others have written."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from aiokafka import TopicPartition

from service.store.event_store import Store
from service.store.write import Conflict, Write
from service.worker.work import CommandWork
from tests.service.support.batches import codes
from tests.service.support.records import CANCEL, MOMENTS, NUMBER, REGISTER, binary
from transport.batch import Batch
from transport.records import ConsumerRecord

OBSERVED = {"invoice_number": NUMBER, "posting_status": "not_recorded", "observed_at": "2026-02-13T09:00:00+08:00"}
END_OTHER_SESSIONS = """
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
"""
RETURN = {"invoice_number": NUMBER, "account_id": "account", "reason": "wrong_amount"}


def batch(name: str, body: dict[str, Any], id_: str) -> Batch:
    """Return the first batch of the partition that the command's topic has."""
    record: ConsumerRecord = binary(name, body, ce_id=id_.encode())
    return Batch([record], {TopicPartition(record.topic, 0): 0})


@pytest.fixture
def asked(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Return the invoices whose events each batch asks the store for."""
    asked: list[set[str]] = []
    history = store.history

    def spied(keys: Sequence[UUID], numbers: Collection[str], unknown: Collection[str]) -> object:
        asked.append(set(unknown))
        return history(keys, numbers, unknown)

    monkeypatch.setattr(store, "history", spied)
    return asked


@pytest.fixture
def rival(database: str) -> Iterator[Store]:
    """Return the store of another worker."""
    rival = Store(database)
    yield rival
    rival.close()


@pytest.fixture(autouse=True)
def positions(store: Store) -> None:
    """Begin at the beginning of every topic."""
    topics = ("invoice.commands.tax", "invoice.commands.customer")
    store.positions([TopicPartition(topic, 0) for topic in topics])


def test_an_invoice_of_the_batch_before_is_not_loaded_again(store: Store, asked: list[set[str]], database: str) -> None:
    worker = CommandWork(store, MOMENTS)
    worker.handle(batch("RegisterInvoice", REGISTER, "1"))
    worker.handle(batch("RecordPostingStatus", OBSERVED, "2"))
    assert asked == [{NUMBER}, set()]
    assert codes(database) == ["accepted", "accepted"]


def test_after_another_worker_has_written_nothing_is_decided_on_what_is_remembered(
    store: Store, rival: Store, asked: list[set[str]], database: str
) -> None:
    worker = CommandWork(store, MOMENTS)
    worker.handle(batch("RegisterInvoice", REGISTER, "1"))
    CommandWork(rival, MOMENTS).handle(batch("RecordPostingStatus", OBSERVED, "2"))
    worker.handle(batch("RequestReturn", RETURN, "3"))
    assert asked == [{NUMBER}, set(), {NUMBER}]
    assert codes(database) == ["accepted"] * 3


def test_over_a_new_session_nothing_is_decided_on_what_is_remembered(store: Store, database: str) -> None:
    """The server behind it may be a standby that lacks the last commits; here the invoice is gone, and no place."""
    worker = CommandWork(store, MOMENTS)
    worker.handle(batch("RegisterInvoice", REGISTER, "1"))
    with psycopg.connect(database) as connection:
        connection.execute("delete from redletter.invoice_events")
        connection.execute("delete from redletter.claims")
        connection.execute("update redletter.positions set next = 0")
        connection.execute(END_OTHER_SESSIONS)
    with pytest.raises(psycopg.OperationalError):
        worker.handle(batch("RegisterInvoice", REGISTER, "2"))
    worker.handle(batch("RegisterInvoice", REGISTER, "2"))
    assert codes(database) == ["accepted", "accepted"]


def test_what_was_decided_over_a_session_that_has_ended_is_not_written(store: Store, database: str) -> None:
    session = store.session
    with psycopg.connect(database) as connection:
        connection.execute(END_OTHER_SESSIONS)
    with pytest.raises(psycopg.OperationalError):
        store.first_waiting(NUMBER, 1)
    with pytest.raises(Conflict):
        store.save(Write([], [], [], session=session))
    store.save(Write([], [], [], session=store.session))


def test_a_refusal_takes_into_account_what_another_worker_has_written(
    store: Store, rival: Store, database: str
) -> None:
    worker = CommandWork(store, MOMENTS)
    worker.handle(batch("RegisterInvoice", REGISTER, "1"))
    other = CommandWork(rival, MOMENTS)
    other.handle(batch("RecordPostingStatus", OBSERVED, "2"))
    record = binary("RequestReturn", RETURN, ce_id=b"3")
    rival.positions([TopicPartition(record.topic, 1)])
    other.handle(Batch([_moved(record)], {TopicPartition(record.topic, 1): 0}))
    worker.handle(batch("CancelReturn", CANCEL, "4"))
    assert codes(database) == ["accepted"] * 3 + ["RETURN_CANNOT_BE_CANCELLED"]


def _moved(record: ConsumerRecord) -> ConsumerRecord:
    """Return the record as if its publisher had chosen another partition."""
    return replace(record, partition=1)
