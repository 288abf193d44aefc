"""A worker that parks what it cannot decide: the commands it is given, and what the log then has of them."""

import json
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from aiokafka import TopicPartition

from service.store.event_store import Store
from service.worker import deciding
from service.worker.moments import Moments
from service.worker.sealing import NOT_SEALING, Sealing
from service.worker.work import CommandWork
from tests.service.support.records import CANCEL, MOMENTS, NUMBER, REGISTER, binary
from transport.batch import Batch
from transport.records import ConsumerRecord

OTHER = "26000000000000000002"
NOTICES = ("CommandParked", "CommandReleased")
BUG = "decisions about {} raise"
"""What a bug says of the invoice that it is about."""
decide_rightly = deciding.decide


@dataclass
class Writing:
    """A worker, of which a test is the consumer: it handles records, each topic's at the offsets that follow."""

    store: Store
    next: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    moments: Moments = MOMENTS
    sealing: Sealing = NOT_SEALING

    def take(self, *records: ConsumerRecord) -> None:
        """Handle records in one batch."""
        starts = {TopicPartition(record.topic, 0): self.next[record.topic] for record in records}
        self.store.positions(list(starts))
        numbered: list[ConsumerRecord] = []
        ends = dict(self.next)
        for record in records:
            offset = ends.get(record.topic, 0)
            numbered.append(replace(record, offset=offset))
            ends[record.topic] = offset + 1
        CommandWork(self.store, self.moments, self.sealing).handle(Batch(numbered, starts))
        self.next.update(ends)


def of(number: str, name: str, body: dict[str, Any], id_: str) -> ConsumerRecord:
    """Return a command about an invoice."""
    record = binary(name, body | {"invoice_number": number}, ce_id=id_.encode())
    return replace(record, key=number.encode())


def register(number: str = NUMBER, id_: str = "1") -> ConsumerRecord:
    """Register an invoice with a charge of its own."""
    return of(number, "RegisterInvoice", REGISTER | {"charges": [{"charge_id": number, "amount": "106.00"}]}, id_)


def ask_return(number: str = NUMBER, id_: str = "2", **more: Any) -> ConsumerRecord:
    """Request the return of an invoice."""
    return of(number, "RequestReturn", {"account_id": "account"} | more, id_)


def cancel(number: str = NUMBER, id_: str = "3") -> ConsumerRecord:
    """Cancel a return, which is always refused."""
    return of(number, "CancelReturn", CANCEL, id_)


def replies(database: str, number: str = NUMBER) -> list[tuple[str, str]]:
    """Return the command id and the code of each reply, in the order of the log."""
    query = "select value from redletter.replies where subject = %s order by partition, place"
    with psycopg.connect(database) as connection:
        bodies = [json.loads(value) for (value,) in connection.execute(query, (number,))]
    return [(body["command_id"], "replayed" if body["replayed"] else body.get("code", "accepted")) for body in bodies]


def notices(database: str, number: str = NUMBER) -> list[tuple[str, str, int]]:
    """Return the kind, the command id and the place in the queue of each notice, in the order of the log."""
    query = "select name, value from redletter.notices where invoice_number = %s order by partition, place"
    with psycopg.connect(database) as connection:
        found = [(name, json.loads(value)) for name, value in connection.execute(query, (number,))]
    return [(name.removesuffix(".v1"), body["command_id"], body["place"]) for name, body in found]


def facts(database: str) -> list[tuple[Any, ...]]:
    """Return all events, invoice by invoice."""
    query = """
        select originator_id, originator_version, topic, state, occurred_at, causation_id, correlation_id
        from redletter.invoice_events order by originator_id, originator_version
    """
    with psycopg.connect(database) as connection:
        return connection.execute(query).fetchall()


def waiting(store: Store) -> dict[str, int]:
    """Return how many commands of each parked invoice wait."""
    return {parked.invoice_number: parked.commands for parked in store.parked()}
