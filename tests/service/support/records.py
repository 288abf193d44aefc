"""Raw Kafka records, as a publisher may send them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from events.catalogue import COMMAND_TYPES
from rules.calendar import MAINLAND_CHINA
from service.invoice.moment import Policy
from service.worker.moments import Moments
from service.worker.reading import Received, Unreadable, read
from transport.records import ConsumerRecord, KafkaRecord

NUMBER = "26000000000000000001"
TAKEN = datetime(2026, 2, 13, 1, 30, tzinfo=UTC)
"""When the broker takes a record, unless a test says otherwise."""
POLICY = Policy(general_recorded_route="simple", repeat=timedelta(minutes=5), repeat_max=timedelta(hours=2))
MOMENTS = Moments(timedelta(), MAINLAND_CHINA, POLICY)
Headers = tuple[tuple[str, bytes | None], ...]
REGISTER: dict[str, Any] = {
    "invoice_number": NUMBER,
    "account_id": "account",
    "kind": "general",
    "issued_on": "2026-02-13",
    "seller": {"name": "Seller", "tax_id": "91330106MA2CFLDG4R"},
    "buyer": {"name": "Buyer"},
    "net_amount": "100.00",
    "tax_amount": "6.00",
    "total_amount": "106.00",
    "charges": [{"charge_id": "c1", "amount": "106.00"}],
}
CANCEL: dict[str, Any] = {"invoice_number": NUMBER, "account_id": "account"}


def raw(  # noqa: PLR0913 - a record has many parts
    value: bytes | None,
    headers: Headers = (),
    *,
    key: bytes | None = NUMBER.encode(),
    topic: str = "invoice.commands.customer",
    offset: int = 0,
    at: datetime = TAKEN,
) -> ConsumerRecord:
    """Build a record from its bytes. at: when the broker took it."""
    milliseconds = int(at.timestamp() * 1000)
    return ConsumerRecord(
        topic, 0, offset, milliseconds, 1, key, value, None, len(key or b""), len(value or b""), cast("Any", headers)
    )


def headers(name: str, **attributes: bytes | None) -> Headers:
    """Return the headers of a command in binary mode; ``attributes`` replace or add."""
    usual: dict[str, bytes | None] = {
        "ce_specversion": b"1.0",
        "ce_id": b"id-1",
        "ce_source": b"urn:test",
        "ce_type": f"redletter.invoice.{name}.v1".encode(),
        "content-type": b"application/json",
    }
    return tuple((usual | attributes).items())


def binary(
    name: str,
    body: dict[str, Any],
    *,
    offset: int = 0,
    topic: str | None = None,
    at: datetime = TAKEN,
    **attributes: bytes | None,
) -> ConsumerRecord:
    """Build a command in binary mode, on the topic it belongs to."""
    topic = topic or COMMAND_TYPES[f"{name}.v1"].CHANNEL.value
    return raw(json.dumps(body).encode(), headers(name, **attributes), topic=topic, offset=offset, at=at)


def structured(name: str, body: object, **attributes: object) -> ConsumerRecord:
    """Build the same command in structured mode."""
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": "id-1",
        "source": "urn:test",
        "type": f"redletter.invoice.{name}.v1",
        "data": body,
        **attributes,
    }
    value = json.dumps(event).encode()
    content_type = (("content-type", b"application/cloudevents+json; charset=utf-8"),)
    return raw(value, content_type, topic=COMMAND_TYPES[f"{name}.v1"].CHANNEL.value)


def as_read(record: KafkaRecord) -> Received | Unreadable:
    """Read a record as the worker does."""
    return read(record, MOMENTS)
