"""Which claims change hands by an event. They follow from the event and the state before it alone."""

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
from service.invoice.claims import (
    Claim,
    ClaimChange,
    Holder,
    charge_claims,
    document_claim,
    form_claim,
)
from service.invoice.state import FormOpen, Invoice, Returned, Reversed, claimed_form


def claims_held(invoice: Invoice) -> frozenset[Claim]:
    """Return the claims of an invoice that its next events may free: charges until reversed, a return's form."""
    if isinstance(invoice, Reversed | Returned):
        return frozenset()
    own = charge_claims(charge.charge_id for charge in invoice.body.charges)
    number = claimed_form(invoice)
    return own | {form_claim(number)} if number else own


def claim_changes(  # noqa: PLR0911 - one case per event
    state: Invoice | None, event: AnyInvoiceEvent
) -> list[ClaimChange]:
    """Return the claims that change hands by an event; ``state`` is the invoice before it."""
    own = Holder(event.invoice_number, event.account_id)
    match event:
        case InvoiceIssued():
            hold = event.replaces and Holder(event.replaces.invoice_number, event.account_id, event.replaces.reissue_id)
            taken = [ClaimChange(Claim("charge", charge.charge_id), hold, own) for charge in event.charges]
            return [ClaimChange(document_claim(event.invoice_number), None, own), *taken]
        case ReturnRequested(red_font_form_number=number):
            return [ClaimChange(form_claim(number), None, own)] if number else []
        case RedFontFormConfirmed():
            taken_before = isinstance(state, FormOpen) and state.latest.route == "form"
            return [] if taken_before else [ClaimChange(form_claim(event.form.number), None, own)]
        case ReturnRefused():
            number = claimed_form(state) if state else None
            return [ClaimChange(form_claim(number), own, None)] if number else []
        case CreditNoteIssued():
            freed = [ClaimChange(Claim("charge", charge_id), own, None) for charge_id in event.released_charge_ids]
            return [ClaimChange(document_claim(event.credit_note_number), None, own), *freed]
        case ReissueRequested() | ReissueRefused():
            hold = Holder(event.invoice_number, event.account_id, event.reissue_id)
            was, now = (None, hold) if isinstance(event, ReissueRequested) else (hold, None)
            return [ClaimChange(Claim("charge", charge_id), was, now) for charge_id in event.charge_ids]
        case (
            PostingStatusChanged()
            | ReversalAttemptFailed()
            | InvoiceReturned()
            | ReturnDeadlineRevised()
            | ReturnOverdue()
            | ReplacementIssued()
            | PersonalDataErased()
        ):
            return []
        case _:
            assert_never(event)
