"""Events -> the returns of an invoice, each from its request to its end."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, assert_never

from events.invoice_events import (
    AnyInvoiceEvent,
    CreditNoteIssued,
    InvoiceIssued,
    InvoiceReturned,
    PersonalDataErased,
    PostingStatusChanged,
    RedFontFormConfirmed,
    ReissueRefused,
    ReissueRequested,
    ReplacementIssued,
    ReturnDeadlineRevised,
    ReturnOverdue,
    ReturnRefused,
    ReturnRequested,
    ReversalAttemptFailed,
)
from events.status import FIRST_PHASES
from events.values import Phase, Route
from projections.engine.items import folding


class ReturnItem(NamedTuple):
    """One return.

    complete_at: when its credit note was issued. ended_at: when it was refused, or shown by the tax system.
    failure, retry_at: of the last failed attempt, while nothing has come after it.
    """

    return_id: str
    route: Route
    phase: Phase
    requested_at: datetime
    due_earliest: datetime
    due_latest: datetime
    overdue: bool = False
    attempts: int = 0
    failure: str | None = None
    retry_at: datetime | None = None
    complete_at: datetime | None = None
    ended_at: datetime | None = None
    refusal: str | None = None
    business_days_used: int | None = None


_Returns = Mapping[str, ReturnItem]


def changes(returns: _Returns, event: AnyInvoiceEvent) -> _Returns:
    """Return the returns that an event changes."""
    match event:
        case ReturnRequested():
            due = (event.due_earliest, event.due_latest)
            return {
                event.return_id: ReturnItem(
                    event.return_id, event.route, FIRST_PHASES[event.route], event.occurred_at, *due
                )
            }
        case (
            RedFontFormConfirmed()
            | ReversalAttemptFailed()
            | CreditNoteIssued()
            | InvoiceReturned()
            | ReturnRefused()
            | ReturnDeadlineRevised()
            | ReturnOverdue()
        ):
            return {event.return_id: returns[event.return_id]._replace(**_progress(event))}
        case (
            InvoiceIssued()
            | PostingStatusChanged()
            | ReissueRequested()
            | ReissueRefused()
            | ReplacementIssued()
            | PersonalDataErased()
        ):
            return {}
        case _:
            assert_never(event)


def _progress(  # noqa: PLR0911 - one case per event
    event: RedFontFormConfirmed
    | ReversalAttemptFailed
    | CreditNoteIssued
    | InvoiceReturned
    | ReturnRefused
    | ReturnDeadlineRevised
    | ReturnOverdue,
) -> Mapping[str, object]:
    now = event.occurred_at
    over: Mapping[str, object] = {"failure": None, "retry_at": None}
    match event:
        case RedFontFormConfirmed():
            return {**over, "phase": "issuing_credit_note"}
        case ReversalAttemptFailed():
            return {"attempts": event.attempt, "failure": event.code, "retry_at": event.retry_at}
        case CreditNoteIssued():
            return {**over, "phase": "verifying_reversal", "complete_at": now}
        case InvoiceReturned():
            return {**over, "phase": "complete", "ended_at": now, "business_days_used": event.business_days_used}
        case ReturnRefused():
            return {**over, "phase": "refused", "ended_at": now, "refusal": event.code}
        case ReturnDeadlineRevised():
            return {"due_earliest": event.due_earliest, "due_latest": event.due_latest}
        case ReturnOverdue():
            return {"overdue": True}
        case _:
            assert_never(event)


fold = folding(changes)
