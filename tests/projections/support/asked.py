"""Invoices that every read model has seen, and the answers about them."""

from collections.abc import Sequence
from contextlib import closing
from datetime import date, datetime
from typing import Any

import httpx
from aiokafka import TopicPartition

from events.invoice_events import AnyInvoiceEvent
from events.topics import EVENTS_TOPIC
from events.values import Charge
from projections.catalogue import MODELS
from projections.engine.projection import Projection
from tests.projections.support import facts
from tests.projections.support.published import message, record
from transport.addresses import Addresses
from transport.batch import Batch

PARTITION = TopicPartition(EVENTS_TOPIC, 0)
DUE = datetime.fromisoformat("2026-02-25T23:59:59+08:00")
NUMBERS = [f"26{place:02d}{index:016d}" for place, index in ((31, 1), (31, 2), (32, 3), (31, 4), (32, 10001))]
"""Of invoices that differ in place and index."""
_EVENTS = (facts.issued(), facts.posting(), facts.requested(), facts.confirmed(), facts.credited(), facts.returned())
STORY = tuple(event.model_copy(update=facts.common(hour=hour)) for hour, event in enumerate(_EVENTS))
"""An invoice and its return, an hour between two events."""


def project(tables: Addresses, *streams: Sequence[AnyInvoiceEvent]) -> None:
    """Let every read model see these invoices, in two batches."""
    published = [message(event, version) for stream in streams for version, event in enumerate(stream, 1)]
    records = [record(one, offset) for offset, one in enumerate(published)]
    middle = len(records) // 2
    for entry in MODELS.values():
        if entry.topic != EVENTS_TOPIC:
            continue
        with closing(Projection(tables.database, consumer=entry.consumer, model=entry.make())) as projection:
            projection.positions([PARTITION])
            for part in (records[:middle], records[middle:]):
                if part:
                    projection.handle(Batch(part, {PARTITION: part[0].offset}))


def invoice(number: str, *, day: int = 1, account: str = facts.ACCOUNT, charge: str | None = None) -> AnyInvoiceEvent:
    """Return the first event of an invoice with one charge. day: of March 2026."""
    charges = (Charge(charge_id=charge or f"of {number}", amount=facts.issued().total_amount),)
    own = {"invoice_number": number, "account_id": account, "issued_on": date(2026, 3, day), "charges": charges}
    return facts.issued(**own)


def of(number: str, *events: AnyInvoiceEvent, account: str = facts.ACCOUNT) -> list[AnyInvoiceEvent]:
    """Return events as those of another invoice."""
    return [event.model_copy(update={"invoice_number": number, "account_id": account}) for event in events]


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    """Return the document that a query answers."""
    answer = await client.get(path, params=params)
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer.json()


def numbers(page: dict[str, Any]) -> list[str]:
    """Return the numbers of the invoices on a page, in its order."""
    return [item["invoice_number"] for item in page["items"]]
