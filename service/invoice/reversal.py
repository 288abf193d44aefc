"""The credit note, the end of a return, and what goes wrong on the way."""

from pydantic import JsonValue

from events.commands import CompleteReturn, RecordCreditNote, ReportReversalFailure
from events.invoice_events import CreditNoteIssued, InvoiceReturned, ReturnRefused, ReversalAttemptFailed
from events.values import RedFontForm
from service.invoice.claims import Claims, document
from service.invoice.decision import Decision, head
from service.invoice.moment import Moment
from service.invoice.refusals import Refusal, refuse
from service.invoice.state import Invoice, Issued, ReturnOpen, Reversed


def record_credit_note(invoice: Invoice, claims: Claims, command: RecordCreditNote, moment: Moment) -> Decision:
    """Reverse the invoice in full; its charges are free again.

    Refusals: NO_RETURN_IN_PROGRESS, CREDIT_NOTE_BEFORE_CONFIRMATION, RED_FONT_FORM_NUMBER_MISMATCH,
    CREDIT_NOTE_NUMBER_MISMATCH, CREDIT_NOTE_AMOUNT_MISMATCH, INVOICE_ALREADY_REVERSED.
    """
    match invoice:
        case Issued():
            return refuse("NO_RETURN_IN_PROGRESS")
        case ReturnOpen(form=None):
            return refuse("CREDIT_NOTE_BEFORE_CONFIRMATION")
        case ReturnOpen(form=RedFontForm() as form):
            return _misfit(invoice, form, claims, command) or (_issued(invoice, command, moment),)
        case ReturnOpen():
            return refuse("CREDIT_NOTE_BEFORE_CONFIRMATION")
        case Reversed():
            note = invoice.credit_note
            same = _figures(note) == _figures(command)
            return () if same else refuse("INVOICE_ALREADY_REVERSED", credit_note_number=note.credit_note_number)


def _figures(note: CreditNoteIssued | RecordCreditNote) -> tuple[object, ...]:
    return note.credit_note_number, note.form_number, note.net_amount, note.tax_amount


def _misfit(invoice: ReturnOpen, form: RedFontForm, claims: Claims, command: RecordCreditNote) -> Refusal | None:
    body = invoice.known.body
    if command.form_number != form.number:
        return refuse("RED_FONT_FORM_NUMBER_MISMATCH", expected=form.number, found=command.form_number)
    if claims.holder(document(command.credit_note_number)):
        return refuse("CREDIT_NOTE_NUMBER_MISMATCH", found=command.credit_note_number)
    if (command.net_amount, command.tax_amount) != (-body.net_amount, -body.tax_amount):
        return refuse(
            "CREDIT_NOTE_AMOUNT_MISMATCH",
            expected_net=str(-body.net_amount),
            expected_tax=str(-body.tax_amount),
            net=str(command.net_amount),
            tax=str(command.tax_amount),
        )
    return None


def _issued(invoice: ReturnOpen, command: RecordCreditNote, moment: Moment) -> CreditNoteIssued:
    return CreditNoteIssued(
        **head(invoice, moment),
        return_id=invoice.request.return_id,
        credit_note_number=command.credit_note_number,
        issued_on=command.issued_on,
        form_number=command.form_number,
        net_amount=command.net_amount,
        tax_amount=command.tax_amount,
        released_charge_ids=tuple(item.charge_id for item in invoice.known.body.charges),
    )


def complete(invoice: Invoice, command: CompleteReturn, moment: Moment) -> Decision:
    """End the return: the tax system shows the reversal.

    Refusals: NO_RETURN_IN_PROGRESS, RETURN_NOT_REVERSED, CREDIT_NOTE_NUMBER_MISMATCH.
    """
    match invoice:
        case Issued():
            return refuse("NO_RETURN_IN_PROGRESS")
        case ReturnOpen():
            return refuse("RETURN_NOT_REVERSED")
        case Reversed():
            expected = invoice.credit_note.credit_note_number
            if command.credit_note_number != expected:
                return refuse("CREDIT_NOTE_NUMBER_MISMATCH", expected=expected, found=command.credit_note_number)
            return () if invoice.returned else (_returned(invoice, moment),)


def _returned(invoice: Reversed, moment: Moment) -> InvoiceReturned:
    return InvoiceReturned(
        **head(invoice, moment),
        return_id=invoice.request.return_id,
        credit_note_number=invoice.credit_note.credit_note_number,
        business_days_used=moment.calendar.days_used(invoice.request.occurred_at, moment.time),
    )


def report_failure(invoice: Invoice, command: ReportReversalFailure, moment: Moment) -> Decision:
    """Note a failed attempt, which is tried again; a permanent failure ends the return.

    Refusals: NO_RETURN_IN_PROGRESS.
    """
    if not isinstance(invoice, ReturnOpen):
        return refuse("NO_RETURN_IN_PROGRESS")
    return (_given_up(invoice, command, moment) if command.permanent else _failed(invoice, command, moment),)


def _given_up(invoice: ReturnOpen, command: ReportReversalFailure, moment: Moment) -> ReturnRefused:
    details: dict[str, JsonValue] = {"detail": command.detail} if command.detail else {}
    return ReturnRefused(
        **head(invoice, moment),
        return_id=command.return_id,
        code=command.code,
        details=details,
        form_number=invoice.form.number if invoice.form else invoice.request.red_font_form_number,
        form_state=invoice.form.state if invoice.form else None,
    )


def _failed(invoice: ReturnOpen, command: ReportReversalFailure, moment: Moment) -> ReversalAttemptFailed:
    attempt = invoice.attempts + 1
    policy = moment.policy
    # Beyond 2 to the 30th the longest pause has long been reached, and the product would overflow.
    pause = min(policy.repeat * 2 ** min(attempt - 1, 30), policy.repeat_max)
    return ReversalAttemptFailed(
        **head(invoice, moment),
        return_id=command.return_id,
        attempt=attempt,
        code=command.code,
        detail=command.detail,
        retry_at=moment.time + pause,
    )
