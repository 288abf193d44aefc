"""The red-font form: what the tax side tells of it, and whether it fits the invoice."""

from collections.abc import Mapping

from pydantic import JsonValue

from events.commands import ConfirmRedFontForm, RejectRedFontForm
from events.invoice_events import InvoiceIssued, RedFontFormConfirmed, ReturnRefused
from events.values import RedFontForm
from service.invoice import claims as claimed
from service.invoice.claims import Claims
from service.invoice.decision import Decision, head
from service.invoice.moment import Moment
from service.invoice.refusals import Refusal, refuse
from service.invoice.state import Invoice, Issued, ReturnOpen, Reversed

USABLE = frozenset({"01", "04"})
REASONS = frozenset({"01", "03", "04"})
"""Invoicing error, service terminated, allowance; 02 is for goods, and cloud services are services [LQ]."""
STATES: Mapping[str, str] = {
    "02": "RED_FONT_FORM_AWAITING_BUYER",
    "03": "RED_FONT_FORM_AWAITING_SELLER",
    "05": "RED_FONT_FORM_REJECTED",
    "06": "RED_FONT_FORM_REJECTED",
    "07": "RED_FONT_FORM_EXPIRED",
    "08": "RED_FONT_FORM_REVOKED",
    "09": "RED_FONT_FORM_REVOKED",
    "10": "RED_FONT_FORM_VOID",
    "11": "RED_FONT_FORM_VOID",
    "12": "RED_FONT_FORM_VOID",
    "13": "RED_FONT_FORM_VOID",
}
"""What each unusable state of a form means. Source: domain, "Red-font Invoice Information Confirmation Form"."""

Failure = tuple[str, dict[str, JsonValue]]


def confirm(invoice: Invoice, claims: Claims, command: ConfirmRedFontForm, moment: Moment) -> Decision:
    """Take the form as the tax side shows it. A form that does not fit ends the return.

    Refusals: NO_RETURN_IN_PROGRESS, RED_FONT_FORM_NUMBER_MISMATCH, RED_FONT_FORM_ALREADY_CONFIRMED.
    """
    match invoice:
        case ReturnOpen(form=None):
            return _judge(invoice, claims, command.form, moment)
        case ReturnOpen(form=RedFontForm(number=number)):
            same = number == command.form.number
            return () if same else refuse("RED_FONT_FORM_ALREADY_CONFIRMED", expected=number, found=command.form.number)
        case Reversed() if invoice.credit_note.form_number == command.form.number:
            return ()
        case Issued() | Reversed() | ReturnOpen():
            return refuse("NO_RETURN_IN_PROGRESS")


def _judge(invoice: ReturnOpen, claims: Claims, form: RedFontForm, moment: Moment) -> Decision:
    if refusal := _other_number(invoice, form.number):
        return refusal
    failure = _misfit(invoice.known.body, form) or _unusable(invoice, form) or _used(invoice, claims, form)
    if failure is None:
        return (RedFontFormConfirmed(**head(invoice, moment), return_id=invoice.request.return_id, form=form),)
    code, details = failure
    return (_refused(invoice, moment, code, details, form.number, form.state),)


def _other_number(invoice: ReturnOpen, number: str | None) -> Refusal | None:
    expected = invoice.request.red_font_form_number
    if invoice.request.route == "form" and number is not None and number != expected:
        return refuse("RED_FONT_FORM_NUMBER_MISMATCH", expected=expected, found=number)
    return None


def _misfit(body: InvoiceIssued, form: RedFontForm) -> Failure | None:
    if form.invoice_number != body.invoice_number:
        return "RED_FONT_FORM_FOR_OTHER_INVOICE", {"expected": body.invoice_number, "found": form.invoice_number}
    if form.kind != body.kind:
        return "RED_FONT_FORM_KIND_MISMATCH", {"expected": body.kind, "found": form.kind}
    expected, found = (body.seller.tax_id, body.buyer.tax_id), (form.seller_tax_id, form.buyer_tax_id)
    if expected != found:
        return "RED_FONT_FORM_PARTY_MISMATCH", {"expected": [*expected], "found": [*found]}
    if (form.net_amount, form.tax_amount) != (-body.net_amount, -body.tax_amount):
        return "RED_FONT_FORM_AMOUNT_MISMATCH", {
            "expected_net": str(-body.net_amount),
            "expected_tax": str(-body.tax_amount),
            "net": str(form.net_amount),
            "tax": str(form.tax_amount),
        }
    if form.reason_code not in REASONS:
        return "RED_FONT_FORM_REASON_NOT_ALLOWED", {"reason_code": form.reason_code, "allowed": [*sorted(REASONS)]}
    return None


def _unusable(invoice: ReturnOpen, form: RedFontForm) -> Failure | None:
    if form.state in USABLE:
        return None
    code = STATES.get(form.state, "RED_FONT_FORM_STATE_UNKNOWN")
    if form.state == "02" and invoice.request.route == "simple":
        code = "POSTING_STATUS_CHANGED"
    return code, {"state": form.state}


def _used(invoice: ReturnOpen, claims: Claims, form: RedFontForm) -> Failure | None:
    if invoice.request.route == "simple" and claims.holder(claimed.form(form.number)):
        return "RED_FONT_FORM_ALREADY_USED", {"form_number": form.number}
    return None


def reject(invoice: Invoice, command: RejectRedFontForm, moment: Moment) -> Decision:
    """End the return: the tax system knows no such form.

    Refusals: NO_RETURN_IN_PROGRESS, RED_FONT_FORM_NUMBER_MISMATCH, RED_FONT_FORM_ALREADY_CONFIRMED.
    """
    match invoice:
        case ReturnOpen(form=None):
            number = command.form_number or invoice.request.red_font_form_number
            return _other_number(invoice, command.form_number) or (
                _refused(invoice, moment, "RED_FONT_FORM_NOT_FOUND", {"form_number": number}, number, None),
            )
        case ReturnOpen():
            return refuse("RED_FONT_FORM_ALREADY_CONFIRMED")
        case Issued() | Reversed():
            return refuse("NO_RETURN_IN_PROGRESS")


def _refused(  # noqa: PLR0913 - the facts of one event
    invoice: ReturnOpen,
    moment: Moment,
    code: str,
    details: Mapping[str, JsonValue],
    form_number: str | None,
    form_state: str | None,
) -> ReturnRefused:
    return ReturnRefused(
        **head(invoice, moment),
        return_id=invoice.request.return_id,
        code=code,
        details=dict(details),
        form_number=form_number,
        form_state=form_state,
    )
