"""Events as the write side publishes them, with everything that a test does not care about filled in."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from events import invoice_events
from events.values import Buyer, Calendar, Charge, RedFontForm, Seller

NUMBER = "26312000000000000001"
FORM = "31011526020000000001"
OTHER_FORM = "31011526020000000002"
CREDIT_NOTE = "26312000000000009001"
REPLACEMENT = "26312000000000008001"
ACCOUNT = "acct-1"
START = datetime(2026, 2, 13, 9, 30, tzinfo=UTC)


def common(number: str = NUMBER, hour: int = 0) -> dict[str, object]:
    return {"invoice_number": number, "account_id": ACCOUNT, "occurred_at": START + timedelta(hours=hour)}


def issued(**but: object) -> invoice_events.InvoiceIssued:
    filled = common() | {
        "kind": "special",
        "issued_on": date(2026, 2, 1),
        "seller": Seller(name="Cloud", tax_id="91330100000000000X"),
        "buyer": Buyer(name="杭州某公司", tax_id="91330100111111111X"),
        "net_amount": Decimal("100.00"),
        "tax_amount": Decimal("6.00"),
        "total_amount": Decimal("106.00"),
        "charges": (Charge(charge_id="c1", amount=Decimal("106.00")),),
    }
    return invoice_events.InvoiceIssued.model_validate(filled | but)


def posting(status: str = "recorded", **but: object) -> invoice_events.PostingStatusChanged:
    filled = common() | {"previous": "unknown", "posting_status": status, "observed_at": START}
    return invoice_events.PostingStatusChanged.model_validate(filled | but)


def requested(**but: object) -> invoice_events.ReturnRequested:
    filled = common() | {
        "return_id": "r1",
        "route": "form",
        "posting_status": "recorded",
        "reason": "wrong_amount",
        "remarks": f"of {NUMBER}",
        "red_font_form_number": FORM,
        "due_earliest": "2026-02-14T00:00:00+08:00",
        "due_latest": "2026-02-25T23:59:59+08:00",
        "calendar": Calendar(version="2026", provisional=False),
    }
    return invoice_events.ReturnRequested.model_validate(filled | but)


def requested_simply(**but: object) -> invoice_events.ReturnRequested:
    nothing = {"route": "simple", "reason": None, "remarks": None, "red_font_form_number": None}
    return requested(**(nothing | but))


def form(**but: object) -> RedFontForm:
    filled = {
        "number": FORM,
        "state": "04",
        "invoice_number": NUMBER,
        "kind": "special",
        "seller_tax_id": "91330100000000000X",
        "net_amount": Decimal("-100.00"),
        "tax_amount": Decimal("-6.00"),
        "reason_code": "01",
        "entered_at": START,
    }
    return RedFontForm.model_validate(filled | but)


def confirmed(**but: object) -> invoice_events.RedFontFormConfirmed:
    return invoice_events.RedFontFormConfirmed.model_validate(common() | {"return_id": "r1", "form": form()} | but)


def attempt_failed(attempt: int = 1, **but: object) -> invoice_events.ReversalAttemptFailed:
    filled = common() | {"return_id": "r1", "attempt": attempt, "code": "TIMEOUT", "retry_at": START}
    return invoice_events.ReversalAttemptFailed.model_validate(filled | but)


def credited(**but: object) -> invoice_events.CreditNoteIssued:
    filled = common() | {
        "return_id": "r1",
        "credit_note_number": CREDIT_NOTE,
        "issued_on": date(2026, 2, 14),
        "form_number": FORM,
        "net_amount": Decimal("-100.00"),
        "tax_amount": Decimal("-6.00"),
        "released_charge_ids": ("c1",),
    }
    return invoice_events.CreditNoteIssued.model_validate(filled | but)


def returned(**but: object) -> invoice_events.InvoiceReturned:
    filled = common() | {"return_id": "r1", "credit_note_number": CREDIT_NOTE, "business_days_used": 1}
    return invoice_events.InvoiceReturned.model_validate(filled | but)


def refused(code: str = "RED_FONT_FORM_EXPIRED", **but: object) -> invoice_events.ReturnRefused:
    return invoice_events.ReturnRefused.model_validate(
        common() | {"return_id": "r1", "code": code, "message": "Ask.", "details": {}} | but
    )


def revised(**but: object) -> invoice_events.ReturnDeadlineRevised:
    filled = common() | {
        "return_id": "r1",
        "due_earliest": "2026-02-24T00:00:00+08:00",
        "due_latest": "2026-02-26T23:59:59+08:00",
        "calendar": Calendar(version="decreed", provisional=False),
    }
    return invoice_events.ReturnDeadlineRevised.model_validate(filled | but)


def overdue(**but: object) -> invoice_events.ReturnOverdue:
    return invoice_events.ReturnOverdue.model_validate(common() | {"return_id": "r1", "due_latest": START} | but)


def reissue_requested(**but: object) -> invoice_events.ReissueRequested:
    filled = common() | {
        "reissue_id": "i1",
        "charge_ids": ("c1",),
        "amount": Decimal("106.00"),
        "kind": "general",
        "buyer": Buyer(name="B"),
    }
    return invoice_events.ReissueRequested.model_validate(filled | but)


def reissue_refused(**but: object) -> invoice_events.ReissueRefused:
    return invoice_events.ReissueRefused.model_validate(
        common() | {"reissue_id": "i1", "reason": "closed", "charge_ids": ("c1",)} | but
    )


def replaced(**but: object) -> invoice_events.ReplacementIssued:
    filled = common() | {"reissue_id": "i1", "replacement_number": REPLACEMENT, "charge_ids": ("c1",)}
    return invoice_events.ReplacementIssued.model_validate(filled | but)


def erased(**but: object) -> invoice_events.PersonalDataErased:
    return invoice_events.PersonalDataErased.model_validate(common() | {"reason": "over", "requested_by": "o"} | but)


@st.composite
def histories(draw: st.DrawFn, number: str = NUMBER) -> Sequence[invoice_events.AnyInvoiceEvent]:
    """Draw an invoice's events from its issue on, each an hour after the one before, in an order that can happen."""
    history: list[invoice_events.AnyInvoiceEvent] = [issued(invoice_number=number)]

    def happen(event: invoice_events.AnyInvoiceEvent) -> None:
        history.append(event.model_copy(update=common(number, hour=len(history))))

    def maybe_posting() -> None:
        if draw(st.booleans()):
            happen(posting(draw(st.sampled_from(["recorded", "not_recorded"]))))

    maybe_posting()
    for attempt in range(draw(st.integers(0, 3))):
        if _is_returned(history):
            break
        _draw_return(draw, happen, return_id=f"r{attempt}")
        maybe_posting()
    if _is_returned(history):
        for reissue in range(draw(st.integers(0, 3))):
            _draw_reissue(draw, happen, reissue)
            maybe_posting()
    return history


def _is_returned(history: Sequence[invoice_events.AnyInvoiceEvent]) -> bool:
    return any(isinstance(event, invoice_events.CreditNoteIssued) for event in history)


def _draw_return(draw: st.DrawFn, happen: Callable[[invoice_events.AnyInvoiceEvent], None], return_id: str) -> None:
    form_number = draw(st.sampled_from([FORM, OTHER_FORM]))
    simple = draw(st.booleans())
    happen(requested_simply(return_id=return_id) if simple else requested(return_id=return_id))
    confirmed_already = False
    attempts = 0
    for _ in range(draw(st.integers(0, 4))):
        step = draw(st.sampled_from(["confirm", "fail", "overdue"]))
        if step == "confirm" and not confirmed_already:
            confirmed_already = True
            happen(confirmed(return_id=return_id, form=form(number=form_number)))
        elif step == "fail":
            attempts += 1
            happen(attempt_failed(attempts, return_id=return_id))
        elif step == "overdue":
            happen(overdue(return_id=return_id))
    end = draw(st.sampled_from(["open", "refused", "credited", "returned"]))
    if end == "refused":
        reported_form = draw(st.sampled_from(_reported_forms(form_number)))
        happen(refused(return_id=return_id, **reported_form))
    if end in ("credited", "returned"):
        happen(credited(return_id=return_id, form_number=form_number))
    if end == "returned":
        happen(returned(return_id=return_id))


def _reported_forms(number: str) -> list[dict[str, str]]:
    return [{}, {"form_number": number}, {"form_number": FORM, "form_state": "07"}]


def _draw_reissue(draw: st.DrawFn, happen: Callable[[invoice_events.AnyInvoiceEvent], None], count: int) -> None:
    reissue_id = f"i{count}"
    happen(reissue_requested(reissue_id=reissue_id))
    end = draw(st.sampled_from(["open", "refused", "replaced"]))
    if end == "refused":
        happen(reissue_refused(reissue_id=reissue_id))
    if end == "replaced":
        happen(replaced(reissue_id=reissue_id, replacement_number=f"{REPLACEMENT[:-1]}{count}"))
