"""Events as records of `invoice.events`, the way the relay writes them."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, cast

from aiokafka import AIOKafkaProducer

from events import cloudevents
from events.catalogue import json_of, name_of
from events.invoice_events import AnyInvoiceEvent
from events.topics import EVENTS_TOPIC
from transport.addresses import Addresses
from transport.records import ConsumerRecord, OutgoingRecord

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def message(event: AnyInvoiceEvent, version: int) -> OutgoingRecord:
    return OutgoingRecord(
        topic=EVENTS_TOPIC,
        key=event.invoice_number.encode(),
        value=json_of(event),
        headers=cloudevents.headers(
            id=event_id(event.invoice_number, version),
            source="urn:redletter:worker",
            name=name_of(type(event)),
            subject=event.invoice_number,
            time=event.occurred_at,
            correlation=f"correlation of {event.invoice_number}",
            causation="the command's id",
            traceparent=TRACE,
            version=version,
        ),
    )


def event_id(number: str, version: int) -> str:
    return f"event {version} of {number}"


def messages(events: Iterable[AnyInvoiceEvent], first: int = 1) -> Sequence[OutgoingRecord]:
    return [message(event, version) for version, event in enumerate(events, start=first)]


def record(of: OutgoingRecord, offset: int, partition: int = 0) -> ConsumerRecord:
    return ConsumerRecord(
        topic=of.topic,
        partition=partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=of.key,
        value=of.value,
        checksum=None,
        serialized_key_size=len(of.key or b""),
        serialized_value_size=len(of.value or b""),
        headers=cast("Any", of.headers),  # the client takes null values too
    )


def records(of: Iterable[OutgoingRecord], partition: int = 0) -> Sequence[ConsumerRecord]:
    return [record(one, offset, partition) for offset, one in enumerate(of)]


async def publish(addresses: Addresses, events: Sequence[OutgoingRecord]) -> None:
    """Publish events in order, each to the partition of its key."""
    writer: Any = AIOKafkaProducer(bootstrap_servers=addresses.kafka, enable_idempotence=True)
    async with writer as producer:
        sent = [await producer.send(e.topic, e.value, e.key, e.partition, headers=e.headers) for e in events]
        await asyncio.gather(*sent)
