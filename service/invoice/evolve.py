"""Events -> state. Total: it never refuses, and never judges history again."""

from dataclasses import replace
from typing import assert_never, cast

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
    ReturnOverdue,
    ReturnRefused,
    ReturnRequested,
    ReversalAttemptFailed,
)
from service.invoice.state import Invoice, Issued, Known, ReturnOpen, Reversed


def evolve(state: Invoice | None, event: AnyInvoiceEvent) -> Invoice:  # noqa: C901, PLR0911 - one case per event
    """Return the state after an event."""
    if isinstance(event, InvoiceIssued):
        return Issued(Known(event))
    invoice = cast("Invoice", state)
    match event:
        case PostingStatusChanged():
            known = Known(invoice.known.body, event.posting_status, event.observed_at)
            return replace(invoice, known=known)
        case ReturnRequested():
            return ReturnOpen(invoice.known, event)
        case RedFontFormConfirmed():
            return replace(cast("ReturnOpen", invoice), form=event.form)
        case ReversalAttemptFailed():
            return replace(cast("ReturnOpen", invoice), attempts=event.attempt)
        case ReturnOverdue():
            return replace(cast("ReturnOpen", invoice), overdue=True)
        case ReturnRefused():
            return Issued(invoice.known, event.return_id)
        case CreditNoteIssued():
            return Reversed(invoice.known, cast("ReturnOpen", invoice).request, event)
        case InvoiceReturned():
            return replace(cast("Reversed", invoice), returned=True)
        case ReissueRequested():
            void = cast("Reversed", invoice)
            return replace(void, reissues={**void.reissues, event.reissue_id: event})
        case ReissueRefused():
            return _without(cast("Reversed", invoice), event.reissue_id)
        case ReplacementIssued():
            void = _without(cast("Reversed", invoice), event.reissue_id)
            link = (event.replacement_number, event.charge_ids)
            return replace(void, linked={**void.linked, event.reissue_id: link})
        case _:
            assert_never(event)


def _without(invoice: Reversed, reissue_id: str) -> Reversed:
    return replace(invoice, reissues={id_: open_ for id_, open_ in invoice.reissues.items() if id_ != reissue_id})
