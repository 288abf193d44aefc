"""What a decision is, and what every event begins with."""

from typing import TypedDict

from events.invoice_events import AnyInvoiceEvent
from events.values import AccountId, InvoiceNumber, Time
from service.invoice.moment import Moment
from service.invoice.refusals import Refusal
from service.invoice.state import Invoice

Decision = tuple[AnyInvoiceEvent, ...] | Refusal
"""Events to append (none: the fact is on record already), or a refusal, which appends nothing."""


class Head(TypedDict):
    """The fields that every event has."""

    invoice_number: InvoiceNumber
    account_id: AccountId
    occurred_at: Time


def head(invoice: Invoice, moment: Moment) -> Head:
    """Begin an event of an invoice that happens now."""
    body = invoice.known.body
    return {"invoice_number": body.invoice_number, "account_id": body.account_id, "occurred_at": moment.time}
