"""The events of invoices whose return has ended: six for each, as the relay publishes them."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from aiokafka import AIOKafkaProducer

from events import cloudevents
from events.catalogue import json_of, name_of
from events.invoice_events import (
    AnyInvoiceEvent,
    CreditNoteIssued,
    InvoiceIssued,
    InvoiceReturned,
    PostingStatusChanged,
    RedFontFormConfirmed,
    ReturnRequested,
)
from events.names import WORKER_SOURCE, event_id
from events.topics import EVENTS_TOPIC
from events.values import Buyer, Calendar, Charge, RedFontForm, Seller

EVENTS_OF_ONE = 6
MAX_UNCONFIRMED = 20_000
ABREAST = 500
"""Invoices whose events are mixed with one another on the topic."""
START = datetime(2026, 2, 13, 1, 30, tzinfo=UTC)

Stored = tuple[AnyInvoiceEvent, int, str]
"""An event, its version, and the name it is stored under."""


def story(index: int) -> list[Stored]:
    """Return the events of one invoice, from its issue to the end of its return."""
    number, return_id = f"26{index:018d}", f"return-{index}"
    net, tax = Decimal("100.00"), Decimal("6.00")
    form = RedFontForm(
        number=f"33{index:018d}",
        state="04",
        invoice_number=number,
        kind="special",
        seller_tax_id="91330106MA2CFLDG4R",
        buyer_tax_id="91110108551385082Q",
        net_amount=-net,
        tax_amount=-tax,
        reason_code="01",
        entered_at=START,
    )

    def own(hour: int) -> dict[str, Any]:
        return {
            "invoice_number": number,
            "account_id": f"account-{index % 1000}",
            "occurred_at": START + timedelta(hours=hour),
        }

    events: list[AnyInvoiceEvent] = [
        InvoiceIssued(
            **own(0),
            kind="special",
            issued_on=date(2026, 2, 1),
            seller=Seller(name="Cloud Company", tax_id="91330106MA2CFLDG4R"),
            buyer=Buyer(name="Example Ltd.", tax_id="91110108551385082Q"),
            net_amount=net,
            tax_amount=tax,
            total_amount=net + tax,
            charges=(Charge(charge_id=f"charge-{index}", amount=net + tax),),
        ),
        PostingStatusChanged(**own(1), previous="unknown", posting_status="recorded", observed_at=START),
        ReturnRequested(
            **own(2),
            return_id=return_id,
            route="form",
            posting_status="recorded",
            reason="wrong_amount",
            remarks=number,
            red_font_form_number=form.number,
            due_earliest=START,
            due_latest=START + timedelta(days=3),
            calendar=Calendar(version="1", provisional=False),
        ),
        RedFontFormConfirmed(**own(3), return_id=return_id, form=form),
        CreditNoteIssued(
            **own(4),
            return_id=return_id,
            credit_note_number=f"27{index:018d}",
            issued_on=date(2026, 2, 14),
            form_number=form.number,
            net_amount=-net,
            tax_amount=-tax,
            released_charge_ids=(f"charge-{index}",),
        ),
        InvoiceReturned(**own(5), return_id=return_id, credit_note_number=f"27{index:018d}", business_days_used=1),
    ]
    return [(event, version, name_of(type(event))) for version, event in enumerate(events, 1)]


def mixed(invoices: int) -> Iterator[Stored]:
    """Yield the events of many invoices as they come: in order for each, the invoices of a group in turns."""
    for first in range(0, invoices, ABREAST):
        stories = [story(index) for index in range(first, min(first + ABREAST, invoices))]
        for step in zip(*stories, strict=True):
            yield from step


async def publish(bootstrap: str, events: Iterable[Stored]) -> None:
    """Publish events as the relay does."""
    servers: Any = bootstrap.split(",")
    async with AIOKafkaProducer(bootstrap_servers=servers, linger_ms=5, max_batch_size=262_144) as producer:
        sent: list[asyncio.Future[Any]] = []
        for event, version, name in events:
            number = event.invoice_number
            headers = cloudevents.headers(
                id=event_id(number, version),
                source=WORKER_SOURCE,
                name=name,
                subject=number,
                time=event.occurred_at,
                correlation=f"story-{number}",
                causation=f"command-{number}-{version}",
                version=version,
            )
            sent.append(await producer.send(EVENTS_TOPIC, json_of(event), key=number.encode(), headers=headers))
            if len(sent) == MAX_UNCONFIRMED:
                await asyncio.gather(*sent)
                sent.clear()
        await asyncio.gather(*sent)
