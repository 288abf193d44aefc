"""Claims: what must be unique over all invoices. A form, a document number or a charge serves one invoice.

They are the one thing that crosses invoices. An event's changes of claims follow from the event and the state before
it alone; the store writes them in the transaction of the events, each from the holder that was seen.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from events.commands import (
    AmendInvoice,
    AnyCommand,
    CancelReturn,
    CompleteReturn,
    ConfirmRedFontForm,
    LinkReplacement,
    MarkReturnOverdue,
    RecordCreditNote,
    RecordPostingStatus,
    RefuseReissue,
    RegisterInvoice,
    RejectRedFontForm,
    ReportReversalFailure,
    RequestReissue,
    RequestReturn,
    ReviseDeadline,
)
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
from service.invoice import form_numbers
from service.invoice.claims import Change, Claim, Claims, Holder, Overlay
from service.invoice.state import FormOpen, Invoice, Returned, Reversed, claimed_form

__all__ = ["Change", "Claim", "Claims", "Holder", "Named", "Overlay", "changes", "held", "named"]


@dataclass(frozen=True, slots=True)
class Named:
    """What a command bears on: claims, and holds as (number of the original, reissue_id)."""

    claims: frozenset[Claim] = frozenset()
    holds: frozenset[tuple[str, str]] = frozenset()


def form(number: str) -> Claim:
    """Return the claim on a form number."""
    return Claim("form", number)


def document(number: str) -> Claim:
    """Return the claim on an invoice or credit note number."""
    return Claim("document", number)


def charges(charge_ids: Iterable[str]) -> frozenset[Claim]:
    """Return the claims on charges."""
    return frozenset(Claim("charge", charge_id) for charge_id in charge_ids)


def used(number: str, holder: Holder, account_id: str) -> dict[str, str]:
    """Return the facts of a form that serves another invoice, which is named to its own account only."""
    own = {"invoice_number": holder.invoice_number} if holder.account_id == account_id else {}
    return {"form_number": number, **own}


def named(command: AnyCommand) -> Named:  # noqa: PLR0911 - one case per command
    """Return what must be loaded to decide a command, besides what its invoice holds."""
    match command:
        case RegisterInvoice():
            own = {document(command.invoice_number)} | charges(charge.charge_id for charge in command.charges)
            replaces = command.replaces
            return Named(
                frozenset(own), frozenset({(replaces.invoice_number, replaces.reissue_id)} if replaces else ())
            )
        case RefuseReissue():
            return Named(holds=frozenset({(command.invoice_number, command.reissue_id)}))
        case RequestReturn():
            number = form_numbers.folded(command.red_font_form_number)
            return Named(frozenset({form(number)})) if form_numbers.is_well_formed(number) else Named()
        case RequestReissue():
            return Named(charges(command.charge_ids))
        case ConfirmRedFontForm():
            return Named(frozenset({form(command.form.number)}))
        case RecordCreditNote():
            return Named(frozenset({document(command.credit_note_number)}))
        case (
            CancelReturn()
            | AmendInvoice()
            | RecordPostingStatus()
            | RejectRedFontForm()
            | CompleteReturn()
            | ReportReversalFailure()
            | MarkReturnOverdue()
            | ReviseDeadline()
            | LinkReplacement()
        ):
            return Named()
        case _:
            assert_never(command)


def held(invoice: Invoice) -> frozenset[Claim]:
    """Return the claims of an invoice that its next events may free: charges until reversed, a return's form."""
    if isinstance(invoice, Reversed | Returned):
        return frozenset()
    own = charges(charge.charge_id for charge in invoice.body.charges)
    number = claimed_form(invoice)
    return own | {form(number)} if number else own


def changes(  # noqa: PLR0911 - one case per event
    state: Invoice | None, event: AnyInvoiceEvent
) -> list[Change]:
    """Return the claims that change hands by an event; ``state`` is the invoice before it."""
    own = Holder(event.invoice_number, event.account_id)
    match event:
        case InvoiceIssued():
            hold = event.replaces and Holder(event.replaces.invoice_number, event.account_id, event.replaces.reissue_id)
            taken = [Change(Claim("charge", charge.charge_id), hold, own) for charge in event.charges]
            return [Change(document(event.invoice_number), None, own), *taken]
        case ReturnRequested(red_font_form_number=number):
            return [Change(form(number), None, own)] if number else []
        case RedFontFormConfirmed():
            taken_before = isinstance(state, FormOpen) and state.latest.route == "form"
            return [] if taken_before else [Change(form(event.form.number), None, own)]
        case ReturnRefused():
            number = claimed_form(state) if state else None
            return [Change(form(number), own, None)] if number else []
        case CreditNoteIssued():
            freed = [Change(Claim("charge", charge_id), own, None) for charge_id in event.released_charge_ids]
            return [Change(document(event.credit_note_number), None, own), *freed]
        case ReissueRequested() | ReissueRefused():
            hold = Holder(event.invoice_number, event.account_id, event.reissue_id)
            was, now = (None, hold) if isinstance(event, ReissueRequested) else (hold, None)
            return [Change(Claim("charge", charge_id), was, now) for charge_id in event.charge_ids]
        case (
            PostingStatusChanged()
            | ReversalAttemptFailed()
            | InvoiceReturned()
            | ReturnDeadlineRevised()
            | ReturnOverdue()
            | ReplacementIssued()
        ):
            return []
        case _:
            assert_never(event)
