"""Commands as other services send them, with everything that a test does not care about filled in."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from events import commands
from events.values import Buyer, Calendar, Charge, RedFontForm, Replaces, Seller

NUMBER = "26000000000000000001"
OTHER_NUMBER = "26000000000000000002"
FORM = "33010026020000000001"
OTHER_FORM = "33010026020000000002"
CREDIT_NOTE = "26000000000000000091"
OTHER_CREDIT_NOTE = "26000000000000000092"
ACCOUNT = "account-1"
REMARKS = f"请冲红 {NUMBER}"
SEEN = datetime(2026, 2, 13, 1, 0, tzinfo=UTC)


def charge(charge_id: str, amount: str = "106.00") -> Charge:
    return Charge(charge_id=charge_id, amount=Decimal(amount))


def register(
    number: str = NUMBER, *, charges: Sequence[str | Charge] = ("c1",), **but: Any
) -> commands.RegisterInvoice:
    each = Decimal("106.00")
    filled: dict[str, Any] = {
        "invoice_number": number,
        "account_id": ACCOUNT,
        "kind": "special",
        "issued_on": date(2026, 2, 1),
        "seller": Seller(name="Cloud", tax_id="91330100000000000X"),
        "buyer": Buyer(name="杭州某公司", tax_id="91330100111111111X"),
        "net_amount": Decimal("100.00") * len(charges),
        "tax_amount": Decimal("6.00") * len(charges),
        "total_amount": each * len(charges),
        "charges": tuple(charge(one) if isinstance(one, str) else one for one in charges),
    }
    return commands.RegisterInvoice.model_validate(filled | but)


def replaces(number: str, reissue_id: str) -> Replaces:
    return Replaces(invoice_number=number, reissue_id=reissue_id)


def observe(status: str = "recorded", number: str = NUMBER, **but: Any) -> commands.RecordPostingStatus:
    filled = {"invoice_number": number, "posting_status": status, "observed_at": SEEN}
    return commands.RecordPostingStatus.model_validate(filled | but)


def ask_return(number: str = NUMBER, **but: Any) -> commands.RequestReturn:
    """Ask for a return on the form route."""
    filled = {
        "invoice_number": number,
        "account_id": ACCOUNT,
        "red_font_form_number": FORM,
        "reason": "wrong_amount",
        "remarks": f"请冲红 {number}",
    }
    return commands.RequestReturn.model_validate(filled | but)


def ask_simply(number: str = NUMBER, **but: Any) -> commands.RequestReturn:
    """Ask for a return on the simple route."""
    return commands.RequestReturn.model_validate({"invoice_number": number, "account_id": ACCOUNT} | but)


def form(invoice_number: str = NUMBER, **but: Any) -> RedFontForm:
    filled = {
        "number": FORM,
        "state": "04",
        "invoice_number": invoice_number,
        "kind": "special",
        "seller_tax_id": "91330100000000000X",
        "buyer_tax_id": "91330100111111111X",
        "net_amount": Decimal("-100.00"),
        "tax_amount": Decimal("-6.00"),
        "reason_code": "01",
        "entered_at": SEEN,
    }
    return RedFontForm.model_validate(filled | but)


def confirm(invoice_number: str = NUMBER, return_id: str | None = None, **fields: Any) -> commands.ConfirmRedFontForm:
    """Confirm the form of an invoice; ``fields`` are the form's."""
    about = fields.pop("about", invoice_number)
    return commands.ConfirmRedFontForm(invoice_number=invoice_number, return_id=return_id, form=form(about, **fields))


def reject(number: str = NUMBER, **but: Any) -> commands.RejectRedFontForm:
    return commands.RejectRedFontForm.model_validate({"invoice_number": number} | but)


def credit(number: str = NUMBER, **but: Any) -> commands.RecordCreditNote:
    filled = {
        "invoice_number": number,
        "credit_note_number": CREDIT_NOTE,
        "issued_on": date(2026, 2, 14),
        "form_number": FORM,
        "net_amount": Decimal("-100.00"),
        "tax_amount": Decimal("-6.00"),
    }
    return commands.RecordCreditNote.model_validate(filled | but)


def complete(number: str = NUMBER, credit_note: str = CREDIT_NOTE) -> commands.CompleteReturn:
    return commands.CompleteReturn(invoice_number=number, credit_note_number=credit_note)


def fail(return_id: str, number: str = NUMBER, **but: Any) -> commands.ReportReversalFailure:
    filled = {"invoice_number": number, "return_id": return_id, "permanent": False, "code": "PLATFORM_BUSY"}
    return commands.ReportReversalFailure.model_validate(filled | but)


def overdue(return_id: str, number: str = NUMBER) -> commands.MarkReturnOverdue:
    return commands.MarkReturnOverdue(invoice_number=number, return_id=return_id)


def revise(return_id: str, number: str = NUMBER, **but: Any) -> commands.ReviseDeadline:
    """Revise the due dates as a decree would that has the first of them off."""
    filled = {
        "invoice_number": number,
        "return_id": return_id,
        "due_earliest": "2026-02-24T00:00:00+08:00",
        "due_latest": "2026-02-26T23:59:59+08:00",
        "calendar": Calendar(version="decreed", provisional=False),
    }
    return commands.ReviseDeadline.model_validate(filled | but)


def erase(number: str = NUMBER) -> commands.EraseInvoice:
    return commands.EraseInvoice(invoice_number=number, reason="retention over", requested_by="records-office")


def cancel(number: str = NUMBER, account: str = ACCOUNT) -> commands.CancelReturn:
    return commands.CancelReturn(invoice_number=number, account_id=account)


def amend(number: str = NUMBER, account: str = ACCOUNT) -> commands.AmendInvoice:
    return commands.AmendInvoice(invoice_number=number, account_id=account, changes={"remarks": "more"})


def reissue(*charges: str, number: str = NUMBER, **but: Any) -> commands.RequestReissue:
    filled = {"invoice_number": number, "account_id": ACCOUNT, "charge_ids": charges}
    return commands.RequestReissue.model_validate(filled | but)


def refuse_reissue(reissue_id: str, number: str = NUMBER) -> commands.RefuseReissue:
    return commands.RefuseReissue(invoice_number=number, reissue_id=reissue_id, reason="account closed")


def link(reissue_id: str, replacement: str = OTHER_NUMBER, number: str = NUMBER) -> commands.LinkReplacement:
    return commands.LinkReplacement(invoice_number=number, reissue_id=reissue_id, replacement_number=replacement)
