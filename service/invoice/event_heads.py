"""What every event of an invoice begins with: which invoice, whose, and when; and which return."""

from datetime import datetime
from typing import TypedDict

from service.invoice.moment import Moment
from service.invoice.state import InProgress, Invoice, Void


class Head(TypedDict):
    """The fields that every event has. occurred_at is the moment of the command."""

    invoice_number: str
    account_id: str
    occurred_at: datetime


class ReturnHead(Head):
    """The fields that every event of a return has."""

    return_id: str


def head(invoice: Invoice, moment: Moment) -> Head:
    """Return the beginning of an event of this invoice."""
    return Head(invoice_number=invoice.body.invoice_number, account_id=invoice.account_id, occurred_at=moment.time)


def return_head(invoice: InProgress | Void, moment: Moment) -> ReturnHead:
    """Return the beginning of an event of this invoice's latest return."""
    return ReturnHead(**head(invoice, moment), return_id=invoice.latest.return_id)
