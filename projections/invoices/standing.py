"""Where an invoice stands in the list: its status, told apart by what needs attention."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from events.status import InvoiceStatus
from events.values import StatusCode

Standing = Literal["issued", "refused", "return_in_progress", "overdue", "reversed_with_credit_note", "returned"]
STANDINGS: Mapping[StatusCode, tuple[Standing, ...]] = {
    "issued": ("issued", "refused"),
    "return_in_progress": ("return_in_progress", "overdue"),
    "reversed_with_credit_note": ("reversed_with_credit_note",),
    "returned": ("returned",),
}
"""The standings of each status. An invoice whose return was refused is issued; an overdue return is in progress."""
DUE: tuple[Standing, ...] = STANDINGS["return_in_progress"]
"""Where a due date matters."""


def standing_of(invoice: InvoiceStatus) -> Standing:
    """Return where an invoice stands."""
    code = invoice.status.code
    if code == "issued" and invoice.last_refusal:
        return "refused"
    if code == "return_in_progress" and invoice.return_ and invoice.return_.overdue:
        return "overdue"
    return code


def due_latest_of(invoice: InvoiceStatus) -> datetime | None:
    """Return when the return in progress is due at the latest; None while no return is in progress."""
    in_progress = invoice.status.code == "return_in_progress"
    return invoice.return_.due_latest if in_progress and invoice.return_ else None
