"""The red-font form: the tax side tells it, and it must fit the invoice that the return is about.

A form that does not fit ends the return: the command is accepted, and the event says why.
"""

from typing import assert_never

from pydantic import JsonValue

from events.commands import ConfirmRedFontForm, RejectRedFontForm
from events.invoice_events import (
    AnyInvoiceEvent,
    InvoiceIssued,
    PostingStatusChanged,
    RedFontFormConfirmed,
    ReturnRefused,
)
from events.values import RedFontForm, Route
from service.invoice.claim_rules import Claims, form, used
from service.invoice.decision import NOTHING, Decision
from service.invoice.moment import Moment
from service.invoice.refusals import ending, refuse
from service.invoice.state import FormConfirmed, FormOpen, Invoice, Issued, Returned, Reversed

Misfit = tuple[str, dict[str, JsonValue]]
"""Why a return ends: code and details."""

ALLOWED_REASONS = frozenset({"01", "03", "04"})
"""Error, service terminated, allowance. Not 02, sales return, which is for goods. Source: docs/tax-rules.md [LQ]."""
USABLE = frozenset({"01", "04"})
"""States of a form that a credit note can be issued on. Source: docs/tax-rules.md [LQ]."""
_BY_STATE = {
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


def confirm_form(invoice: Invoice, claims: Claims, command: ConfirmRedFontForm, moment: Moment) -> Decision:
    """Judge the form that the tax side tells.

    Refusals: NO_RETURN_IN_PROGRESS, RED_FONT_FORM_ALREADY_CONFIRMED, RED_FONT_FORM_NUMBER_MISMATCH (form route).
    """
    match invoice:
        case FormOpen():
            return _judge(invoice, claims, command, moment)
        case FormConfirmed(confirmed_form=confirmed):
            same = command.form.number == confirmed
            return NOTHING if same else refuse("RED_FONT_FORM_ALREADY_CONFIRMED", confirmed=confirmed)
        case Reversed() | Returned():
            same = command.form.number == invoice.confirmed_form
            return NOTHING if same else refuse("NO_RETURN_IN_PROGRESS")
        case Issued():
            return refuse("NO_RETURN_IN_PROGRESS")
        case _:
            assert_never(invoice)


def reject_form(invoice: Invoice, command: RejectRedFontForm, moment: Moment) -> Decision:
    """End the return: the tax system knows no such form.

    Refusals: NO_RETURN_IN_PROGRESS, RED_FONT_FORM_ALREADY_CONFIRMED, RED_FONT_FORM_NUMBER_MISMATCH (form route).
    """
    match invoice:
        case FormOpen(latest=latest):
            expected, number = latest.form_number, command.form_number
            if expected and number and number != expected:
                return refuse("RED_FONT_FORM_NUMBER_MISMATCH", expected=expected, form_number=number)
            return (_rejected(invoice, number or expected, moment),)
        case FormConfirmed(confirmed_form=confirmed):
            return refuse("RED_FONT_FORM_ALREADY_CONFIRMED", confirmed=confirmed)
        case Issued() | Reversed() | Returned():
            return refuse("NO_RETURN_IN_PROGRESS")
        case _:
            assert_never(invoice)


def _judge(invoice: FormOpen, claims: Claims, command: ConfirmRedFontForm, moment: Moment) -> Decision:
    told, expected = command.form, invoice.latest.form_number
    if expected and told.number != expected:
        return refuse("RED_FONT_FORM_NUMBER_MISMATCH", expected=expected, form_number=told.number)
    misfit = (
        _misfit_content(invoice.body, told)
        or _misfit_state(told, invoice.latest.route)
        or _misfit_claim(invoice, told, claims)
    )
    if misfit is None:
        return (_confirmed(invoice, told, moment),)
    code, details = misfit
    observed = _recorded(invoice, told, moment) if code == "POSTING_STATUS_CHANGED" else NOTHING
    return (*observed, _unfit(invoice, told, code, details, moment))


def _misfit_content(body: InvoiceIssued, told: RedFontForm) -> Misfit | None:
    """Compare what the form says with the invoice; the first difference counts."""
    # The invoice that a foreign form is about may be another account's: it is not told.
    if told.invoice_number != body.invoice_number:
        return "RED_FONT_FORM_FOR_OTHER_INVOICE", {"expected": body.invoice_number}
    if told.kind != body.kind:
        return "RED_FONT_FORM_KIND_MISMATCH", {"expected": body.kind, "kind": told.kind}
    if not _is_same(told.seller_tax_id, body.seller.tax_id) or not _is_same(told.buyer_tax_id, body.buyer.tax_id):
        return "RED_FONT_FORM_PARTY_MISMATCH", _parties(body, told)
    if (told.net_amount, told.tax_amount) != (-body.net_amount, -body.tax_amount):
        return "RED_FONT_FORM_AMOUNT_MISMATCH", _amounts(body, told)
    if told.reason_code not in ALLOWED_REASONS:
        return "RED_FONT_FORM_REASON_NOT_ALLOWED", {
            "allowed": list[JsonValue](sorted(ALLOWED_REASONS)),
            "reason_code": told.reason_code,
        }
    return None


def _is_same(one: str | None, other: str | None) -> bool:
    """Compare tax ids, which people write in upper and in lower case; absence is a value too."""
    return (one and one.upper()) == (other and other.upper())


def _misfit_state(told: RedFontForm, route: Route) -> Misfit | None:
    if told.state in USABLE:
        return None
    if told.state == "02" and route == "simple":
        # The seller's own form waits for the buyer: the buyer booked the invoice meanwhile.
        return "POSTING_STATUS_CHANGED", {"state": told.state}
    return _BY_STATE.get(told.state, "RED_FONT_FORM_STATE_UNKNOWN"), {"state": told.state}


def _misfit_claim(invoice: FormOpen, told: RedFontForm, claims: Claims) -> Misfit | None:
    """Tell whether another invoice has the form; on the form route this one claimed it when it was requested."""
    holder = claims.holder(form(told.number)) if invoice.latest.route == "simple" else None
    return ("RED_FONT_FORM_ALREADY_USED", {**used(told.number, holder, invoice.account_id)}) if holder else None


def _parties(body: InvoiceIssued, told: RedFontForm) -> dict[str, JsonValue]:
    parties = {
        "expected_seller_tax_id": body.seller.tax_id,
        "seller_tax_id": told.seller_tax_id,
        "expected_buyer_tax_id": body.buyer.tax_id,
        "buyer_tax_id": told.buyer_tax_id,
    }
    return {name: tax_id for name, tax_id in parties.items() if tax_id is not None}


def _amounts(body: InvoiceIssued, told: RedFontForm) -> dict[str, JsonValue]:
    return {
        "expected_net": str(-body.net_amount),
        "expected_tax": str(-body.tax_amount),
        "net": str(told.net_amount),
        "tax": str(told.tax_amount),
    }


def _confirmed(invoice: FormOpen, told: RedFontForm, moment: Moment) -> RedFontFormConfirmed:
    return RedFontFormConfirmed(
        invoice_number=invoice.body.invoice_number,
        account_id=invoice.account_id,
        occurred_at=moment.time,
        return_id=invoice.latest.return_id,
        form=told,
    )


def _recorded(invoice: FormOpen, told: RedFontForm, moment: Moment) -> tuple[AnyInvoiceEvent, ...]:
    """Record what the form shows, so that the next return takes the form route; nothing when it is known already."""
    if invoice.posting.status == "recorded":
        return NOTHING
    changed = PostingStatusChanged(
        invoice_number=invoice.body.invoice_number,
        account_id=invoice.account_id,
        occurred_at=moment.time,
        previous=invoice.posting.status,
        posting_status="recorded",
        observed_at=told.entered_at,
    )
    return (changed,)


def _unfit(
    invoice: FormOpen, told: RedFontForm, code: str, details: dict[str, JsonValue], moment: Moment
) -> ReturnRefused:
    return ReturnRefused(
        invoice_number=invoice.body.invoice_number,
        account_id=invoice.account_id,
        occurred_at=moment.time,
        return_id=invoice.latest.return_id,
        code=code,
        message=ending(code),
        details=details,
        form_number=told.number,
        form_state=told.state,
    )


def _rejected(invoice: FormOpen, number: str | None, moment: Moment) -> ReturnRefused:
    return ReturnRefused(
        invoice_number=invoice.body.invoice_number,
        account_id=invoice.account_id,
        occurred_at=moment.time,
        return_id=invoice.latest.return_id,
        code="RED_FONT_FORM_NOT_FOUND",
        message=ending("RED_FONT_FORM_NOT_FOUND"),
        details={"form_number": number} if number else {},
        form_number=number,
    )
