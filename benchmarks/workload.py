"""The commands that are measured: invoices that are registered, booked by their buyer and asked to be returned.

Every command is accepted and leads to one event and one reply. The three commands of an invoice come on three topics,
between which Kafka keeps no order; so they come in waves, each only once the one before has been answered.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from events import cloudevents
from events.catalogue import COMMAND_TYPES
from transport.records import OutgoingRecord

SOURCE = "urn:benchmark"
STEPS = ("RegisterInvoice.v1", "RecordPostingStatus.v1", "RequestReturn.v1")
_SENT_AT = datetime(2026, 2, 13, 1, 0, tzinfo=UTC)


def waves(invoices: range) -> Iterator[Sequence[OutgoingRecord]]:
    """Give the commands of these invoices, wave by wave; the same ids and bytes every time."""
    for name in STEPS:
        yield [_command(name, number_of(invoice)) for invoice in invoices]


def number_of(invoice: int) -> str:
    """Return the number of an invoice of the load."""
    return f"26{invoice:018}"


def posting_change(number: str, change: int) -> OutgoingRecord:
    """Return a command that changes the posting status of an invoice, that was recorded, for the n-th time from 0."""
    status = "recorded" if change % 2 else "not_recorded"
    observed = _SENT_AT + timedelta(seconds=change + 1)
    body = {"invoice_number": number, "posting_status": status, "observed_at": observed.isoformat()}
    name = "RecordPostingStatus.v1"
    return _record(name, number, f"{number}-{name}-{change}", body)


def _command(name: str, number: str) -> OutgoingRecord:
    body: dict[str, JsonValue] = {"invoice_number": number, **_BODIES[name], **_own(name, number)}
    return _record(name, number, f"{number}-{name}", body)


def _record(name: str, number: str, id_: str, body: Mapping[str, JsonValue]) -> OutgoingRecord:
    headers = cloudevents.headers(
        id=id_,
        source=SOURCE,
        name=name,
        subject=number,
        time=_SENT_AT,
        correlation=f"journey-{number}",
        causation=None,
    )
    return OutgoingRecord(COMMAND_TYPES[name].CHANNEL.value, number.encode(), json.dumps(body).encode(), headers)


def _own(name: str, number: str) -> Mapping[str, JsonValue]:
    """Return what differs from invoice to invoice."""
    account: JsonValue = f"account-{int(number) % 1000}"
    match name:
        case "RegisterInvoice.v1":
            return {"account_id": account, "charges": [{"charge_id": f"charge-{number}", "amount": "106.00"}]}
        case "RequestReturn.v1":
            return {"account_id": account}
        case _:
            return {}


_BODIES: Mapping[str, Mapping[str, JsonValue]] = {
    "RegisterInvoice.v1": {
        "kind": "general",
        "issued_on": "2026-02-13",
        "seller": {"name": "Cloud Services (Hangzhou) Co., Ltd.", "tax_id": "91330106MA2CFLDG4R"},
        "buyer": {"name": "Example Trading (Beijing) Co., Ltd.", "tax_id": "91110108551385082Q"},
        "net_amount": "100.00",
        "tax_amount": "6.00",
        "total_amount": "106.00",
    },
    "RecordPostingStatus.v1": {"posting_status": "recorded", "observed_at": "2026-02-13T09:00:00+08:00"},
    "RequestReturn.v1": {},
}
