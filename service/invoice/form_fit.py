"""Whether a red-font form fits the return that it is for; one that does not fit ends the return."""

from dataclasses import dataclass

from pydantic import JsonValue

from events.invoice_events import (
    InvoiceIssued,
)
from events.values import RedFontForm, Route
from service.invoice.claims import Claims, form_claim, used_form_facts
from service.invoice.state import FormOpen


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a return ends: the code of ReturnRefused, and its details."""

    code: str
    details: dict[str, JsonValue]


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


def find_misfit(invoice: FormOpen, form: RedFontForm, claims: Claims) -> Misfit | None:
    """Return the first reason why the form does not fit, in the order of docs/contract.md#confirmredfontform."""
    return (
        _misfit_content(invoice.body, form)
        or _misfit_state(form, invoice.latest.route)
        or _misfit_claim(invoice, form, claims)
    )


def _misfit_content(body: InvoiceIssued, form: RedFontForm) -> Misfit | None:
    """Compare what the form says with the invoice; the first difference counts."""
    # The invoice that a foreign form is about may be another account's, so it is not named.
    if form.invoice_number != body.invoice_number:
        return Misfit("RED_FONT_FORM_FOR_OTHER_INVOICE", {"expected": body.invoice_number})
    if form.kind != body.kind:
        return Misfit("RED_FONT_FORM_KIND_MISMATCH", {"expected": body.kind, "kind": form.kind})
    if not _is_same(form.seller_tax_id, body.seller.tax_id) or not _is_same(form.buyer_tax_id, body.buyer.tax_id):
        return Misfit("RED_FONT_FORM_PARTY_MISMATCH", _parties(body, form))
    if (form.net_amount, form.tax_amount) != (-body.net_amount, -body.tax_amount):
        return Misfit("RED_FONT_FORM_AMOUNT_MISMATCH", _amounts(body, form))
    if form.reason_code not in ALLOWED_REASONS:
        return Misfit(
            "RED_FONT_FORM_REASON_NOT_ALLOWED",
            {
                "allowed": list[JsonValue](sorted(ALLOWED_REASONS)),
                "reason_code": form.reason_code,
            },
        )
    return None


def _is_same(one: str | None, other: str | None) -> bool:
    """Compare tax ids, which people write in upper and in lower case; absence is a value too."""
    return (one and one.upper()) == (other and other.upper())


def _misfit_state(form: RedFontForm, route: Route) -> Misfit | None:
    if form.state in USABLE:
        return None
    if form.state == "02" and route == "simple":
        # The seller's own form waits for the buyer, so the buyer has booked the invoice.
        return Misfit("POSTING_STATUS_CHANGED", {"state": form.state})
    return Misfit(_BY_STATE.get(form.state, "RED_FONT_FORM_STATE_UNKNOWN"), {"state": form.state})


def _misfit_claim(invoice: FormOpen, form: RedFontForm, claims: Claims) -> Misfit | None:
    """Return whether another invoice has the form; on the form route this one claimed it when it was requested."""
    holder = claims.holder(form_claim(form.number)) if invoice.latest.route == "simple" else None
    return (
        Misfit("RED_FONT_FORM_ALREADY_USED", {**used_form_facts(form.number, holder, invoice.account_id)})
        if holder
        else None
    )


def _parties(body: InvoiceIssued, form: RedFontForm) -> dict[str, JsonValue]:
    parties = {
        "expected_seller_tax_id": body.seller.tax_id,
        "seller_tax_id": form.seller_tax_id,
        "expected_buyer_tax_id": body.buyer.tax_id,
        "buyer_tax_id": form.buyer_tax_id,
    }
    return {name: tax_id for name, tax_id in parties.items() if tax_id is not None}


def _amounts(body: InvoiceIssued, form: RedFontForm) -> dict[str, JsonValue]:
    return {
        "expected_net": str(-body.net_amount),
        "expected_tax": str(-body.tax_amount),
        "net": str(form.net_amount),
        "tax": str(form.tax_amount),
    }
