"""Events -> the part of a line of the list that changes: the status document, by the status read model's own fold."""

from events.invoice_events import InvoiceIssued
from events.values import Buyer, Day, Documents, Kind, Message, Money, Sealed
from projections.status import fold as status


class IssuedPart(Message):
    """The part of a line that never changes."""

    kind: Kind
    issued_on: Day
    buyer: Buyer
    net_amount: Money
    tax_amount: Money
    total_amount: Money
    documents: Documents | None = None
    sealed: Sealed | None = None


fold = status.fold


def issued_part(event: InvoiceIssued) -> IssuedPart:
    """Return the part of an invoice's line that never changes."""
    return IssuedPart.of_valid(
        kind=event.kind,
        issued_on=event.issued_on,
        buyer=event.buyer,
        net_amount=event.net_amount,
        tax_amount=event.tax_amount,
        total_amount=event.total_amount,
        documents=event.documents,
        sealed=event.sealed,
    )
