"""Events -> a line of the list. The status in it comes from the status read model's own fold."""

from dataclasses import dataclass, replace
from typing import cast

from events.invoice_events import AnyInvoiceEvent, InvoiceIssued
from events.status import InvoiceStatus
from events.values import Day, Documents, Kind, Message, Money
from projections.status import fold as status


class IssuedPart(Message):
    """The part of a line that never changes."""

    kind: Kind
    issued_on: Day
    net_amount: Money
    tax_amount: Money
    total_amount: Money
    documents: Documents | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """An invoice in the list."""

    issued: IssuedPart
    status: InvoiceStatus


def fold(line: Line | None, event: AnyInvoiceEvent, version: int) -> Line:
    """Fold one event of the invoice into its line; a repeat gives the same line again.

    Raises: VersionGap.
    """
    now = status.fold(line and line.status, event, version)
    if line is None:
        # The status fold lets nothing else begin.
        return Line(_issued(cast("InvoiceIssued", event)), now)
    return line if now is line.status else replace(line, status=now)


def _issued(event: InvoiceIssued) -> IssuedPart:
    return IssuedPart(
        kind=event.kind,
        issued_on=event.issued_on,
        net_amount=event.net_amount,
        tax_amount=event.tax_amount,
        total_amount=event.total_amount,
        documents=event.documents,
    )
