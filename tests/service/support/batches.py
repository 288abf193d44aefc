"""Batches of commands for the worker, and what became of them in the database."""

import json
from dataclasses import replace

import psycopg
from aiokafka import TopicPartition

from tests.service.support.records import REGISTER, headers, raw
from transport.batch import Batch
from transport.records import ConsumerRecord

TOPIC = "invoice.commands.billing"


def register(index: int, charge: str | None = None, offset: int = 0) -> ConsumerRecord:
    number = f"26{index:018d}"
    charges = [{"charge_id": charge or f"charge-{index}", "amount": "106.00"}]
    body = REGISTER | {"invoice_number": number, "charges": charges}
    attributes = headers("RegisterInvoice", ce_id=f"id-{index}".encode())
    return raw(json.dumps(body).encode(), attributes, key=number.encode(), topic=TOPIC, offset=offset)


def batch(*records: ConsumerRecord, was: int = 0) -> Batch:
    numbered = [replace(record, offset=offset) for offset, record in enumerate(records, was)]
    return Batch(numbered, {TopicPartition(TOPIC, 0): was})


def codes(database: str) -> list[str]:
    with psycopg.connect(database) as connection:
        rows = connection.execute("select value from redletter.replies order by subject, partition, place").fetchall()
    return [json.loads(value).get("code", "accepted") for (value,) in rows]


def buried(database: str) -> list[tuple[str, int]]:
    with psycopg.connect(database) as connection:
        return connection.execute("select reason, record_offset from redletter.dead_letters").fetchall()
