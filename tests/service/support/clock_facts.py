"""Events of one invoice, as the clock reads them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from events import invoice_events
from events.values import Buyer, Calendar, Charge, RedFontForm, Replaces, Route, Seller

NUMBER = "26000000000000000001"
ORIGINAL = "26000000000000000009"
FORM = "33000000000000000001"
NOTE = "27000000000000000001"
AT = datetime(2026, 2, 13, 1, 30, tzinfo=UTC)
DUE = AT + timedelta(days=12)
RETURN = "return-1"
HEAD: dict[str, Any] = {"invoice_number": NUMBER, "account_id": "account", "occurred_at": AT}


def _head(number: str) -> dict[str, Any]:
    return {**HEAD, "invoice_number": number}


def issued(*, replaces: bool = False, number: str = NUMBER) -> invoice_events.InvoiceIssued:
    """The invoice is on record."""
    return invoice_events.InvoiceIssued(
        **_head(number),
        kind="special",
        issued_on=date(2026, 2, 13),
        seller=Seller(name="Seller", tax_id="91330106MA2CFLDG4R"),
        buyer=Buyer(name="Buyer"),
        net_amount=Decimal("100.00"),
        tax_amount=Decimal("0.00"),
        total_amount=Decimal("100.00"),
        charges=(Charge(charge_id="c", amount=Decimal("100.00")),),
        replaces=Replaces(invoice_number=ORIGINAL, reissue_id="reissue-1") if replaces else None,
    )


def requested(
    route: Route = "form", *, due_latest: datetime = DUE, number: str = NUMBER
) -> invoice_events.ReturnRequested:
    """A return is under way."""
    return invoice_events.ReturnRequested(
        **_head(number),
        return_id=RETURN if number == NUMBER else f"return-{number}",
        route=route,
        posting_status="recorded",
        red_font_form_number=FORM if route == "form" else None,
        due_earliest=AT,
        due_latest=due_latest,
        calendar=Calendar(version="1", provisional=False),
    )


def confirmed() -> invoice_events.RedFontFormConfirmed:
    """The form fits."""
    form = RedFontForm(
        number=FORM,
        state="04",
        invoice_number=NUMBER,
        kind="special",
        seller_tax_id="91330106MA2CFLDG4R",
        net_amount=Decimal("-100.00"),
        tax_amount=Decimal("0.00"),
        reason_code="01",
        entered_at=AT,
    )
    return invoice_events.RedFontFormConfirmed(**HEAD, return_id=RETURN, form=form)


def failed(attempt: int = 1, retry_at: datetime = AT) -> invoice_events.ReversalAttemptFailed:
    """The tax side failed for now."""
    return invoice_events.ReversalAttemptFailed(
        **HEAD, return_id=RETURN, attempt=attempt, code="BUSY", retry_at=retry_at
    )


def reversed_() -> invoice_events.CreditNoteIssued:
    """The credit note exists."""
    return invoice_events.CreditNoteIssued(
        **HEAD,
        return_id=RETURN,
        credit_note_number=NOTE,
        issued_on=date(2026, 2, 14),
        form_number=FORM,
        net_amount=Decimal("-100.00"),
        tax_amount=Decimal("0.00"),
        released_charge_ids=("c",),
    )


def returned() -> invoice_events.InvoiceReturned:
    """The tax system shows the reversal."""
    return invoice_events.InvoiceReturned(**HEAD, return_id=RETURN, credit_note_number=NOTE, business_days_used=1)


def refused() -> invoice_events.ReturnRefused:
    """The tax side refused."""
    return invoice_events.ReturnRefused(
        **HEAD, return_id=RETURN, code="RED_FONT_FORM_EXPIRED", message="Ask.", details={}
    )


def overdue() -> invoice_events.ReturnOverdue:
    """The last due time has passed."""
    return invoice_events.ReturnOverdue(**HEAD, return_id=RETURN, due_latest=DUE)


def linked() -> invoice_events.ReplacementIssued:
    """The reissue is closed."""
    return invoice_events.ReplacementIssued(
        **_head(ORIGINAL),
        reissue_id="reissue-1",
        replacement_number=NUMBER,
        charge_ids=("c",),
    )
