"""Command -> events or refusal: what every command has in common, and which rule it goes to.

The columns of the table in docs/contract.md#by-status are the classes of `state`; each rule answers for all of them.
"""

from typing import assert_never

from events.commands import (
    AmendInvoice,
    AnyCommand,
    CancelReturn,
    CompleteReturn,
    ConfirmRedFontForm,
    EraseInvoice,
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
from service.invoice.claims import Claims
from service.invoice.credit_notes import complete_return, record_credit_note
from service.invoice.decision import Decision
from service.invoice.erasure import erase_invoice
from service.invoice.forms import confirm_form, reject_form
from service.invoice.moment import Moment
from service.invoice.posting import record_posting_status
from service.invoice.progress import mark_overdue, report_failure, revise_deadline
from service.invoice.refusals import Refusal, refuse
from service.invoice.registration import register_invoice
from service.invoice.reissue import link_replacement, refuse_reissue, request_reissue
from service.invoice.returns import cancel_return, request_return
from service.invoice.state import Invoice, Issued


def decide(state: Invoice | None, claims: Claims, command: AnyCommand, moment: Moment) -> Decision:
    """Decide a command on the current invoice and claims. No events: everything is already on record.

    Refusals: INVOICE_NOT_FOUND, INVOICE_ERASED and, for another return than the latest, NO_RETURN_IN_PROGRESS before
    each rule's own.
    """
    if isinstance(command, RegisterInvoice):
        return register_invoice(state, claims, command, moment)
    if state is None or _is_of_another_account(state, command):
        return refuse("INVOICE_NOT_FOUND", invoice_number=command.invoice_number)
    if state.without_texts and isinstance(command, RequestReturn | RequestReissue):
        return refuse("INVOICE_ERASED")
    if refusal := _refuse_another_return(state, command):
        return refusal
    return _decide(state, claims, command, moment.not_before(state.last_at))


_Later = (
    RefuseReissue
    | RequestReturn
    | RequestReissue
    | CancelReturn
    | AmendInvoice
    | RecordPostingStatus
    | ConfirmRedFontForm
    | RejectRedFontForm
    | RecordCreditNote
    | CompleteReturn
    | ReportReversalFailure
    | MarkReturnOverdue
    | ReviseDeadline
    | LinkReplacement
    | EraseInvoice
)
"""Commands about an invoice that is on record."""


def _decide(  # noqa: C901, PLR0911, PLR0912 - one case per command
    invoice: Invoice, claims: Claims, command: _Later, moment: Moment
) -> Decision:
    match command:
        case RequestReturn():
            return request_return(invoice, claims, command, moment)
        case CancelReturn():
            return cancel_return(invoice)
        case AmendInvoice():
            return refuse("ISSUED_INVOICE_IMMUTABLE")
        case RecordPostingStatus():
            return record_posting_status(invoice, command, moment)
        case ConfirmRedFontForm():
            return confirm_form(invoice, claims, command, moment)
        case RejectRedFontForm():
            return reject_form(invoice, command, moment)
        case RecordCreditNote():
            return record_credit_note(invoice, claims, command, moment)
        case CompleteReturn():
            return complete_return(invoice, command, moment)
        case ReportReversalFailure():
            return report_failure(invoice, command, moment)
        case MarkReturnOverdue():
            return mark_overdue(invoice, moment)
        case ReviseDeadline():
            return revise_deadline(invoice, command, moment)
        case RequestReissue():
            return request_reissue(invoice, claims, command, moment)
        case RefuseReissue():
            return refuse_reissue(invoice, claims, command, moment)
        case LinkReplacement():
            return link_replacement(invoice, command, moment)
        case EraseInvoice():
            return erase_invoice(invoice, command, moment)
        case _:
            assert_never(command)


def _is_of_another_account(invoice: Invoice, command: _Later) -> bool:
    """Return whether a customer names an account that the invoice is not in; only customers name one."""
    if isinstance(command, RequestReturn | RequestReissue | CancelReturn | AmendInvoice):
        return command.account_id != invoice.account_id
    return False


def _refuse_another_return(invoice: Invoice, command: _Later) -> Refusal | None:
    """Refuse what names another return than the latest. When that one was refused, none is in progress either."""
    if not isinstance(
        command,
        ConfirmRedFontForm
        | RejectRedFontForm
        | RecordCreditNote
        | ReportReversalFailure
        | MarkReturnOverdue
        | ReviseDeadline,
    ):
        return None
    if command.return_id is None:
        return None
    latest = None if isinstance(invoice, Issued) else invoice.latest.return_id
    return None if command.return_id == latest else refuse("NO_RETURN_IN_PROGRESS")
