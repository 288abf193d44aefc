"""Events -> status document. The row is the published document itself."""

from typing import assert_never

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
from events.status import ACTIONS, FIRST_PHASES, LABELS, InvoiceStatus, LastRefusal, ReturnProgress, Status
from events.values import StatusCode
from projections.engine.sharing import shared
from projections.engine.version_gaps import VersionGap, is_next

_Changes = dict[str, object]
"""New values of fields of the row, by name."""

_STATUS: dict[StatusCode, Status] = {code: Status(code=code, label=label) for code, label in LABELS.items()}
_VOID: frozenset[StatusCode] = frozenset({"reversed_with_credit_note", "returned"})


@shared
def fold(row: InvoiceStatus | None, event: AnyInvoiceEvent, version: int) -> InvoiceStatus:
    """Fold one event of the invoice into its row; a repeat gives the same row again.

    Raises: VersionGap.
    """
    if row is None:
        return _first(event, version)
    if not is_next(row.invoice_number, row.version, version):
        return row
    return row.but(**_changes(row, event), version=version, as_of=event.occurred_at)


def _first(event: AnyInvoiceEvent, version: int) -> InvoiceStatus:
    """Begin the row. An invoice begins with being issued: before anything else, an event is missing."""
    if version != 1 or not isinstance(event, InvoiceIssued):
        raise VersionGap(event.invoice_number, 0, version)
    return InvoiceStatus.of_valid(
        invoice_number=event.invoice_number,
        account_id=event.account_id,
        status=_STATUS["issued"],
        return_complete=False,
        original_void=False,
        posting_status="unknown",
        actions=ACTIONS["issued"],
        version=version,
        as_of=event.occurred_at,
    )


def _changes(row: InvoiceStatus, event: AnyInvoiceEvent) -> _Changes:  # noqa: C901, PLR0911 - one case per event
    match event:
        case PostingStatusChanged():
            return {"posting_status": event.posting_status}
        case ReturnRequested():
            return _standing("return_in_progress") | {"return_": _begun(event), "last_refusal": None}
        case RedFontFormConfirmed():
            return _progress(row, phase="issuing_credit_note")
        case ReversalAttemptFailed():
            return _progress(row, attempts=event.attempt)
        case ReturnDeadlineRevised():
            return _progress(row, due_earliest=event.due_earliest, due_latest=event.due_latest)
        case ReturnOverdue():
            return _progress(row, overdue=True)
        case ReturnRefused():
            return _standing("issued") | _progress(row, phase="refused") | {"last_refusal": _refusal(event)}
        case CreditNoteIssued():
            return (
                _standing("reversed_with_credit_note")
                | _progress(row, phase="verifying_reversal")
                | {"credit_note_number": event.credit_note_number}
            )
        case InvoiceReturned():
            return _standing("returned") | _progress(row, phase="complete")
        case ReplacementIssued():
            return {"replacement_numbers": (*row.replacement_numbers, event.replacement_number)}
        case InvoiceIssued() | ReissueRequested() | ReissueRefused() | PersonalDataErased():
            return {}
        case _:
            assert_never(event)


def _standing(code: StatusCode) -> _Changes:
    """Return everything that follows from the status alone."""
    void = code in _VOID
    return {"status": _STATUS[code], "return_complete": void, "original_void": void, "actions": ACTIONS[code]}


def _begun(event: ReturnRequested) -> ReturnProgress:
    return ReturnProgress.of_valid(
        return_id=event.return_id,
        route=event.route,
        phase=FIRST_PHASES[event.route],
        due_earliest=event.due_earliest,
        due_latest=event.due_latest,
        overdue=False,
        attempts=0,
    )


def _progress(row: InvoiceStatus, **fields: object) -> _Changes:
    """Update the latest return, which is kept after its end."""
    return {"return_": row.return_ and row.return_.but(**fields)}


def _refusal(event: ReturnRefused) -> LastRefusal:
    return LastRefusal.of_valid(
        code=event.code,
        details=event.details,
        form_number=event.form_number,
        at=event.occurred_at,
        sealed=event.sealed,
    )
