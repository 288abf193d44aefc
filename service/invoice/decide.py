"""Decisions: command + state + claims -> events, or a refusal. Each part of the story has a module of its own."""

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
)
from service.invoice import forms, registration, reissue, returns, reversal
from service.invoice.claims import Claims
from service.invoice.decision import Decision
from service.invoice.moment import Moment
from service.invoice.refusals import refuse
from service.invoice.state import Invoice, latest_return_id


def decide(state: Invoice | None, claims: Claims, command: AnyCommand, moment: Moment) -> Decision:
    """Decide a command.

    Refusals before any rule of a command: INVOICE_NOT_FOUND for an unknown invoice or another account's, then
    NO_RETURN_IN_PROGRESS for a return_id that is not the latest return's.
    """
    if isinstance(command, RegisterInvoice):
        return registration.register(state, claims, command, moment)
    if state is None or getattr(command, "account_id", state.account_id) != state.account_id:
        return refuse("INVOICE_NOT_FOUND", invoice_number=command.invoice_number)
    return_id = getattr(command, "return_id", None)
    if return_id is not None and return_id != latest_return_id(state):
        return refuse("NO_RETURN_IN_PROGRESS", return_id=return_id)
    return _on_record(state, claims, command, moment)


def _on_record(  # noqa: C901, PLR0911 - one case per command
    invoice: Invoice, claims: Claims, command: AnyCommand, moment: Moment
) -> Decision:
    match command:
        case RecordPostingStatus():
            return registration.record_posting_status(invoice, command, moment)
        case RequestReturn():
            return returns.request(invoice, claims, command, moment)
        case CancelReturn():
            return returns.cancel(invoice)
        case AmendInvoice():
            return refuse("ISSUED_INVOICE_IMMUTABLE", offered=["RequestReturn", "RequestReissue"])
        case MarkReturnOverdue():
            return returns.mark_overdue(invoice, moment)
        case ConfirmRedFontForm():
            return forms.confirm(invoice, claims, command, moment)
        case RejectRedFontForm():
            return forms.reject(invoice, command, moment)
        case RecordCreditNote():
            return reversal.record_credit_note(invoice, claims, command, moment)
        case CompleteReturn():
            return reversal.complete(invoice, command, moment)
        case ReportReversalFailure():
            return reversal.report_failure(invoice, command, moment)
        case RequestReissue():
            return reissue.request(invoice, claims, command, moment)
        case RefuseReissue():
            return reissue.refuse_reissue(invoice, claims, command, moment)
        case LinkReplacement():
            return reissue.link(invoice, command, moment)
        case RegisterInvoice():
            return registration.register(invoice, claims, command, moment)
        case _:
            assert_never(command)
