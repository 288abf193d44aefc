"""Events -> state. The fold never argues: what does not fit the state changes nothing."""

from dataclasses import replace
from typing import assert_never

from events.invoice_events import (
    AnyInvoiceEvent,
    CreditNoteIssued,
    InvoiceIssued,
    InvoiceReturned,
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
    NEVER_OBSERVED,
    CreditNote,
    FormConfirmed,
    FormOpen,
    InProgress,
    Invoice,
    Issued,
    Posting,
    Reissue,
    Return,
    Returned,
    Reversed,
    Void,
)


class NotBegun(Exception):
    """A stream does not begin with InvoiceIssued: an event is missing, and nobody may decide on the rest."""

    def __init__(self, event: AnyInvoiceEvent) -> None:
        super().__init__(f"the events of invoice {event.invoice_number} begin with {type(event).__name__}")


def evolve(state: Invoice | None, event: AnyInvoiceEvent) -> Invoice:
    """Carry an invoice on by one event.

    Raises: NotBegun.
    """
    if state is None:
        if isinstance(event, InvoiceIssued):
            return Issued(event, NEVER_OBSERVED, event.occurred_at)
        raise NotBegun(event)
    after = _on_record(state, event)
    return state if after is state else replace(after, last_at=max(state.last_at, event.occurred_at))


def _on_record(state: Invoice, event: AnyInvoiceEvent) -> Invoice:
    if isinstance(state, Issued):
        return _issued(state, event)
    if isinstance(state, FormOpen | FormConfirmed):
        return _in_progress(state, event)
    return _void(state, event)


def _issued(state: Issued, event: AnyInvoiceEvent) -> Invoice:
    match event:
        case PostingStatusChanged():
            return Issued(state.body, Posting(event.posting_status, event.observed_at), state.last_at)
        case ReturnRequested():
            return FormOpen(state.body, state.posting, state.last_at, _requested(event))
        case (
            InvoiceIssued()
            | RedFontFormConfirmed()
            | ReversalAttemptFailed()
            | CreditNoteIssued()
            | InvoiceReturned()
            | ReturnRefused()
            | ReturnDeadlineRevised()
            | ReturnOverdue()
            | ReissueRequested()
            | ReissueRefused()
            | ReplacementIssued()
        ):
            return state
        case _:
            assert_never(event)


def _in_progress(  # noqa: PLR0911 - one case per event
    state: InProgress, event: AnyInvoiceEvent
) -> Invoice:
    match event:
        case PostingStatusChanged():
            return replace(state, posting=Posting(event.posting_status, event.observed_at))
        case RedFontFormConfirmed():
            return FormConfirmed(state.body, state.posting, state.last_at, state.latest, event.form.number)
        case ReversalAttemptFailed():
            return replace(state, latest=replace(state.latest, attempts=event.attempt))
        case ReturnDeadlineRevised():
            revised = replace(state.latest, due_earliest=event.due_earliest, due_latest=event.due_latest)
            return replace(state, latest=revised)
        case ReturnOverdue():
            return replace(state, latest=replace(state.latest, overdue=True))
        case ReturnRefused():
            return Issued(state.body, state.posting, state.last_at)
        case CreditNoteIssued():
            credit_note = CreditNote(event.credit_note_number, event.net_amount, event.tax_amount)
            return Reversed(state.body, state.posting, state.last_at, state.latest, event.form_number, credit_note)
        case (
            InvoiceIssued()
            | ReturnRequested()
            | InvoiceReturned()
            | ReissueRequested()
            | ReissueRefused()
            | ReplacementIssued()
        ):
            return state
        case _:
            assert_never(event)


def _void(state: Void, event: AnyInvoiceEvent) -> Invoice:
    match event:
        case PostingStatusChanged():
            return replace(state, posting=Posting(event.posting_status, event.observed_at))
        case InvoiceReturned():
            return Returned(
                state.body,
                state.posting,
                state.last_at,
                state.latest,
                state.confirmed_form,
                state.credit_note,
                state.reissues,
            )
        case ReissueRequested():
            return replace(state, reissues=(*state.reissues, Reissue(event.reissue_id, event.charge_ids)))
        case ReissueRefused():
            return replace(state, reissues=_without(state.reissues, event.reissue_id))
        case ReplacementIssued():
            linked = Reissue(event.reissue_id, event.charge_ids, event.replacement_number)
            return replace(state, reissues=(*_without(state.reissues, event.reissue_id), linked))
        case (
            InvoiceIssued()
            | ReturnRequested()
            | RedFontFormConfirmed()
            | ReversalAttemptFailed()
            | CreditNoteIssued()
            | ReturnRefused()
            | ReturnDeadlineRevised()
            | ReturnOverdue()
        ):
            return state
        case _:
            assert_never(event)


def _requested(event: ReturnRequested) -> Return:
    return Return(
        event.return_id,
        event.route,
        event.red_font_form_number,
        event.occurred_at,
        event.due_earliest,
        event.due_latest,
    )


def _without(reissues: tuple[Reissue, ...], reissue_id: str) -> tuple[Reissue, ...]:
    return tuple(reissue for reissue in reissues if reissue.reissue_id != reissue_id)
