"""The credit note: it reverses the invoice in full, and the tax system shows it."""

from typing import assert_never

from events.commands import (
    CompleteReturn,
    RecordCreditNote,
)
from events.invoice_events import (
    CreditNoteIssued,
    InvoiceReturned,
)
from service.invoice.claims import Claims, document_claim
from service.invoice.decision import NOTHING, Decision
from service.invoice.event_heads import return_head
from service.invoice.moment import Moment
from service.invoice.refusals import Refusal, refuse
from service.invoice.state import (
    FormConfirmed,
    FormOpen,
    Invoice,
    Issued,
    RecordedCreditNote,
    Returned,
    Reversed,
)


def record_credit_note(invoice: Invoice, claims: Claims, command: RecordCreditNote, moment: Moment) -> Decision:
    """Reverse the invoice in full.

    Refusals: NO_RETURN_IN_PROGRESS, CREDIT_NOTE_BEFORE_CONFIRMATION, RED_FONT_FORM_NUMBER_MISMATCH,
    CREDIT_NOTE_NUMBER_MISMATCH, CREDIT_NOTE_DATE_IMPLAUSIBLE, CREDIT_NOTE_AMOUNT_MISMATCH, INVOICE_ALREADY_REVERSED.
    """
    match invoice:
        case FormConfirmed():
            return _wrong_credit_note(invoice, claims, command, moment) or (_reversed(invoice, command, moment),)
        case FormOpen():
            return refuse("CREDIT_NOTE_BEFORE_CONFIRMATION")
        case Reversed() | Returned():
            reported = RecordedCreditNote(command.credit_note_number, command.net_amount, command.tax_amount)
            return NOTHING if reported == invoice.credit_note else refuse("INVOICE_ALREADY_REVERSED")
        case Issued():
            return refuse("NO_RETURN_IN_PROGRESS")
        case _:
            assert_never(invoice)


def complete_return(invoice: Invoice, command: CompleteReturn, moment: Moment) -> Decision:
    """End the return: the tax system shows the reversal.

    Refusals: NO_RETURN_IN_PROGRESS, RETURN_NOT_REVERSED, CREDIT_NOTE_NUMBER_MISMATCH.
    """
    match invoice:
        case Reversed() | Returned():
            if command.credit_note_number != invoice.credit_note.number:
                said = "its credit note has another number"
                number = command.credit_note_number
                return refuse("CREDIT_NOTE_NUMBER_MISMATCH", said=said, credit_note_number=number)
            return (_returned(invoice, moment),) if isinstance(invoice, Reversed) else NOTHING
        case FormOpen() | FormConfirmed():
            return refuse("RETURN_NOT_REVERSED")
        case Issued():
            return refuse("NO_RETURN_IN_PROGRESS")
        case _:
            assert_never(invoice)


def _wrong_credit_note(
    invoice: FormConfirmed, claims: Claims, command: RecordCreditNote, moment: Moment
) -> Refusal | None:
    expected = invoice.confirmed_form
    if command.form_number != expected:
        return refuse("RED_FONT_FORM_NUMBER_MISMATCH", expected=expected, form_number=command.form_number)
    return (
        _wrong_note_number(claims, command)
        or _wrong_note_day(invoice, command, moment)
        or _wrong_note_sums(invoice, command)
    )


def _wrong_note_number(claims: Claims, command: RecordCreditNote) -> Refusal | None:
    number, issued_on = command.credit_note_number, command.issued_on
    if claims.holder(document_claim(number)) is not None:
        said = "it is already recorded elsewhere"
        return refuse("CREDIT_NOTE_NUMBER_MISMATCH", said=said, credit_note_number=number)
    if number[:2] == f"{issued_on.year % 100:02}":
        return None
    said = f"its first two digits are not the year of its issue, {issued_on}"
    return refuse("CREDIT_NOTE_NUMBER_MISMATCH", said=said, credit_note_number=number, issued_on=issued_on.isoformat())


def _wrong_note_day(invoice: FormConfirmed, command: RecordCreditNote, moment: Moment) -> Refusal | None:
    if invoice.body.issued_on <= command.issued_on <= moment.tomorrow:
        return None
    return refuse(
        "CREDIT_NOTE_DATE_IMPLAUSIBLE",
        issued_on=command.issued_on.isoformat(),
        earliest=invoice.body.issued_on.isoformat(),
        latest=moment.tomorrow.isoformat(),
    )


def _wrong_note_sums(invoice: FormConfirmed, command: RecordCreditNote) -> Refusal | None:
    body = invoice.body
    if (command.net_amount, command.tax_amount) == (-body.net_amount, -body.tax_amount):
        return None
    return refuse(
        "CREDIT_NOTE_AMOUNT_MISMATCH",
        expected_net=str(-body.net_amount),
        expected_tax=str(-body.tax_amount),
        net=str(command.net_amount),
        tax=str(command.tax_amount),
    )


def _reversed(invoice: FormConfirmed, command: RecordCreditNote, moment: Moment) -> CreditNoteIssued:
    return CreditNoteIssued(
        **return_head(invoice, moment),
        credit_note_number=command.credit_note_number,
        issued_on=command.issued_on,
        form_number=command.form_number,
        net_amount=command.net_amount,
        tax_amount=command.tax_amount,
        released_charge_ids=tuple(charge.charge_id for charge in invoice.body.charges),
        documents=command.documents or None,
    )


def _returned(invoice: Reversed, moment: Moment) -> InvoiceReturned:
    return InvoiceReturned(
        **return_head(invoice, moment),
        credit_note_number=invoice.credit_note.number,
        business_days_used=moment.calendar.business_days_used(invoice.latest.requested_at, moment.time),
    )
