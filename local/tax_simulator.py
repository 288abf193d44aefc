"""A tax platform and its connector, played: answers every tax request as the real ones would.

The same question always gets the same facts, so that a repeated request never makes a second credit note.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any
from uuid import uuid4

import stamina
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from events import cloudevents
from events.catalogue import TAX_REQUESTS, name_of, named, write
from events.commands import (
    AnyCommand,
    CompleteReturn,
    ConfirmRedFontForm,
    RecordCreditNote,
    RejectRedFontForm,
    ReportReversalFailure,
)
from events.tax_requests import AnyTaxRequest, IssueCreditNote, OpenRedFontForm, VerifyRedFontForm, VerifyReversal
from events.topics import TAX_REQUESTS as TOPIC
from events.values import RedFontForm
from transport.addresses import Addresses

log = structlog.get_logger(__name__)

GROUP = "redletter.tax-simulator"
SOURCE = "urn:redletter:tax-simulator"
MARK = "9999"
PATTERNS = {
    **{f"{state:02d}": f"the form comes back in state {state:02d}" for state in range(2, 14)},
    "44": "the tax system knows no such form",
    "66": "the form is over another amount",
    "77": "every request fails twice before it is answered",
    "88": "the credit note fails for good",
}
"""What the last two digits of an invoice number bring about, where the four before them are 9999."""
_TRANSIENT_FAILURES = 2


def pattern(invoice_number: str) -> str | None:
    """Return the pattern that an invoice number asks for."""
    return invoice_number[-2:] if invoice_number[-6:-2] == MARK and invoice_number[-2:] in PATTERNS else None


def document_number(of: str, now: datetime) -> str:
    """Return a 20-digit number that follows from what it is for, and begins with the year."""
    digits = int.from_bytes(blake2b(of.encode(), digest_size=8).digest())
    return f"{now.year % 100:02d}{digits % 10**18:018d}"


def answer(request: AnyTaxRequest, now: datetime) -> AnyCommand:
    """Answer a request as the connector would."""
    asked = pattern(request.invoice_number)
    if asked == "77" and request.attempt <= _TRANSIENT_FAILURES and not isinstance(request, VerifyReversal):
        return _failure(request, permanent=False)
    match request:
        case VerifyRedFontForm() | OpenRedFontForm() if asked == "44":
            return RejectRedFontForm(invoice_number=request.invoice_number, return_id=request.return_id)
        case VerifyRedFontForm():
            return _form(request, request.form_number, asked or "04", now)
        case OpenRedFontForm():
            return _form(request, document_number(request.request_id, now), asked or "01", now)
        case IssueCreditNote():
            return _failure(request, permanent=True) if asked == "88" else _credit_note(request, now)
        case VerifyReversal():
            return CompleteReturn(invoice_number=request.invoice_number, credit_note_number=request.credit_note_number)


def _form(request: OpenRedFontForm, number: str, state: str, now: datetime) -> ConfirmRedFontForm:
    usual = "04" if isinstance(request, VerifyRedFontForm) else "01"
    other_amount = state == "66"
    return ConfirmRedFontForm(
        invoice_number=request.invoice_number,
        return_id=request.return_id,
        form=RedFontForm(
            number=number,
            state=state if state in _STATES else usual,
            invoice_number=request.invoice_number,
            kind=request.kind,
            seller_tax_id=request.seller_tax_id,
            buyer_tax_id=request.buyer_tax_id,
            net_amount=request.net_amount - Decimal("0.01") if other_amount else request.net_amount,
            tax_amount=request.tax_amount,
            reason_code="01",
            entered_at=now - timedelta(hours=1),
            confirmed_at=now if usual == "04" else None,
        ),
    )


_STATES = frozenset(f"{state:02d}" for state in range(1, 14))


def _credit_note(request: IssueCreditNote, now: datetime) -> RecordCreditNote:
    return RecordCreditNote(
        invoice_number=request.invoice_number,
        return_id=request.return_id,
        credit_note_number=document_number(request.request_id, now),
        issued_on=now.date(),
        form_number=request.form_number,
        net_amount=request.net_amount,
        tax_amount=request.tax_amount,
    )


def _failure(request: AnyTaxRequest, *, permanent: bool) -> ReportReversalFailure:
    return ReportReversalFailure(
        invoice_number=request.invoice_number,
        return_id=request.return_id,
        permanent=permanent,
        code="TAX_PLATFORM_REFUSED" if permanent else "TAX_PLATFORM_BUSY",
        detail="asked for by the invoice number",
    )


async def run(addresses: Addresses, *, clock_shift: timedelta) -> None:
    """Answer requests until cancelled."""
    async for attempt in stamina.retry_context(on=KafkaError, attempts=None, timeout=None, wait_max=2.0):
        with attempt:
            async with _connected(addresses.kafka) as (consumer, producer):
                while True:
                    batches = await consumer.getmany(timeout_ms=1000, max_records=500)
                    for records in batches.values():
                        await _answer_all(producer, records, clock_shift)
                    if batches:
                        await consumer.commit()


@asynccontextmanager
async def _connected(bootstrap: str) -> AsyncGenerator[tuple[AIOKafkaConsumer, AIOKafkaProducer]]:
    servers: Any = bootstrap.split(",")
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=servers,
        group_id=GROUP,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    try:
        await producer.start()
        await consumer.start()
        yield consumer, producer
    finally:
        await consumer.stop()
        await producer.stop()


async def _answer_all(
    producer: AIOKafkaProducer, records: Sequence[ConsumerRecord[bytes, bytes]], clock_shift: timedelta
) -> None:
    now = datetime.now(UTC) + clock_shift
    sent = [await _send(producer, record, request, now) for record in records if (request := _request(record))]
    await asyncio.gather(*sent)


def _request(record: ConsumerRecord[bytes, bytes]) -> AnyTaxRequest | None:
    headers = dict(record.headers)
    try:
        return TAX_REQUESTS[named(headers["ce_type"].decode())].model_validate_json(record.value or b"")
    except (KeyError, ValueError, ValidationError) as error:
        log.warning("this is no tax request", offset=record.offset, partition=record.partition, error=repr(error))
        return None


async def _send(
    producer: AIOKafkaProducer, record: ConsumerRecord[bytes, bytes], request: AnyTaxRequest, now: datetime
) -> asyncio.Future[Any]:
    told = {name: value.decode() for name, value in record.headers}
    command = answer(request, now)
    name = name_of(type(command))
    log.info("answered", request=told["ce_type"], answer=name, invoice=request.invoice_number, attempt=request.attempt)
    headers = cloudevents.headers(
        id=str(uuid4()),
        source=SOURCE,
        name=name,
        subject=request.invoice_number,
        time=now,
        correlation=told["ce_correlationid"],
        causation=request.request_id,
        traceparent=told.get("traceparent"),
    )
    key = request.invoice_number.encode()
    return await producer.send(command.CHANNEL.value, value=write(command), key=key, headers=headers)
