"""Events -> state. The fold never argues: what does not fit the state changes nothing."""

from dataclasses import replace
from datetime import datetime
from typing import Any, assert_never

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
from service.invoice.state import (
    ERASED,
    NEVER_OBSERVED,
    FormConfirmed,
    FormOpen,
    InProgress,
    Invoice,
    Issued,
    Posting,
    RecordedCreditNote,
    RecordedReissue,
    Return,
    Returned,
    Reversed,
    Void,
    without_texts,
)


class NotBegun(Exception):
    """A stream does not begin with InvoiceIssued: an event is missing, and nobody may decide on the rest."""

    def __init__(self, event: AnyInvoiceEvent) -> None:
        super().__init__(f"the events of invoice {event.invoice_number} begin with {type(event).__name__}")


def evolve(state: Invoice | None, event: AnyInvoiceEvent) -> Invoice:
    """Apply one event to an invoice.

    Raises: NotBegun.
    """
    if state is None:
        if isinstance(event, InvoiceIssued):
            return Issued(event, NEVER_OBSERVED, event.occurred_at)
        raise NotBegun(event)
    after = _evolved(state, event)
    return state if after is state else replace(after, last_at=max(state.last_at, event.occurred_at))


def _evolved(  # noqa: C901, PLR0911, PLR0912 - one case per event
    state: Invoice, event: AnyInvoiceEvent
) -> Invoice:
    """Each event changes the states that it fits, and leaves the others as they are."""
    match event:
        case InvoiceIssued():
            return state
        case PostingStatusChanged():
            return replace(state, posting=Posting(event.posting_status, event.observed_at))
        case ReturnRequested():
            return FormOpen(*_kept(state), _requested(event)) if isinstance(state, Issued) else state
        case RedFontFormConfirmed():
            is_open = isinstance(state, InProgress)
            return FormConfirmed(*_kept(state), state.latest, event.form.number) if is_open else state
        case ReversalAttemptFailed():
            return _with(state, attempts=event.attempt)
        case ReturnDeadlineRevised():
            return _with(state, due_earliest=event.due_earliest, due_latest=event.due_latest)
        case ReturnOverdue():
            return _with(state, overdue=True)
        case ReturnRefused():
            return Issued(*_kept(state)) if isinstance(state, InProgress) else state
        case CreditNoteIssued():
            return _reversed(state, event) if isinstance(state, InProgress) else state
        case InvoiceReturned():
            return _returned(state) if isinstance(state, Void) else state
        case ReissueRequested():
            return _reissued(state, RecordedReissue(event.reissue_id, event.charge_ids))
        case ReissueRefused():
            return _reissued(state, without=event.reissue_id)
        case ReplacementIssued():
            linked = RecordedReissue(event.reissue_id, event.charge_ids, event.replacement_number)
            return _reissued(state, linked, without=event.reissue_id)
        case PersonalDataErased():
            return replace(state, body=without_texts(state.body, ERASED))
        case _:
            assert_never(event)


def _kept(state: Invoice) -> tuple[InvoiceIssued, Posting, datetime]:
    return state.body, state.posting, state.last_at


def _with(state: Invoice, **changes: Any) -> Invoice:  # noqa: ANN401 - fields of Return, which replace checks
    """Change the return under way."""
    return replace(state, latest=replace(state.latest, **changes)) if isinstance(state, InProgress) else state


def _reversed(state: InProgress, event: CreditNoteIssued) -> Reversed:
    credit_note = RecordedCreditNote(event.credit_note_number, event.net_amount, event.tax_amount)
    return Reversed(*_kept(state), state.latest, event.form_number, credit_note)


def _returned(state: Void) -> Returned:
    return Returned(*_kept(state), state.latest, state.confirmed_form, state.credit_note, state.reissues)


def _reissued(state: Invoice, added: RecordedReissue | None = None, *, without: str | None = None) -> Invoice:
    """Change the reissues of a reversed invoice: one is forgotten, one is added."""
    if not isinstance(state, Void):
        return state
    kept = tuple(reissue for reissue in state.reissues if reissue.reissue_id != without)
    return replace(state, reissues=kept if added is None else (*kept, added))


def _requested(event: ReturnRequested) -> Return:
    return Return(
        event.return_id,
        event.route,
        event.red_font_form_number,
        event.occurred_at,
        event.due_earliest,
        event.due_latest,
    )
