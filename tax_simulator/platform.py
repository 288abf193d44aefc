"""The tax platform: its forms, their credit notes, and what its rules make of a request. No I/O.

A repeated request finds what the first one created, so there is never a second credit note on a form.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import blake2b

from pydantic import BaseModel

from events.tax_requests import IssueCreditNote, OpenRedFontForm, VerifyRedFontForm
from events.values import CreditNoteNumber, Day, Kind, RedFontForm
from rules.calendar import day_of
from tax_simulator.patterns import STATES, pattern

CENT = Decimal("0.01")
OTHER_KIND: dict[Kind, Kind] = {"general": "special", "special": "general"}
WITHDRAWN = "08"
CONFIRMED_BY_BOTH = "04"
WAITS_FOR_SELLER = "03"
NEEDS_NO_CONFIRMATION = "01"
PENDING = frozenset({"01", "02", "03"})


class IssuedCreditNote(BaseModel):
    """The red invoice on a form."""

    number: CreditNoteNumber
    issued_on: Day


class FiledForm(BaseModel):
    """A form in the platform's books.

    about: the invoice that it was requested for. opened_for: the request that opened it, if it is the seller's form.
    pattern: the one of the invoice number, on its first form. known: false if the platform denies that it exists.
    """

    form: RedFontForm
    about: str
    opened_for: str | None = None
    pattern: str | None = None
    known: bool = True
    credit_note: IssuedCreditNote | None = None


@dataclass
class Books:
    """What the platform knows: forms by number, and how often each request has arrived.

    asked: counts by request id.
    """

    forms: dict[str, FiledForm] = field(default_factory=dict[str, FiledForm])
    asked: dict[str, int] = field(default_factory=dict[str, int])

    def of(self, invoice_number: str) -> list[FiledForm]:
        """Return the forms that were requested for an invoice."""
        return [filed for filed in self.forms.values() if filed.about == invoice_number]

    def count_request(self, request_id: str) -> int:
        """Count a request; return how often it has arrived."""
        self.asked[request_id] = self.asked.get(request_id, 0) + 1
        return self.asked[request_id]


def document_number(of: str, now: datetime) -> str:
    """Return a 20-digit number that begins with the year; the same for the same purpose."""
    digits = int.from_bytes(blake2b(of.encode(), digest_size=8).digest())
    return f"{day_of(now).year % 100:02d}{digits % 10**18:018d}"


def form_for(books: Books, request: OpenRedFontForm, now: datetime) -> FiledForm:
    """Find the buyer's form and confirm it for the seller, or open the seller's own form."""
    if isinstance(request, VerifyRedFontForm):
        # The buyer's finance department entered it in the e-tax system, which is not simulated.
        filed = books.forms.get(request.form_number) or _file(books, request, request.form_number, now)
        _confirm(filed, now)
        return filed
    opened = next((filed for filed in books.of(request.invoice_number) if filed.opened_for == request.request_id), None)
    if opened:
        return opened
    return _file(books, request, document_number(request.request_id, now), now)


def credit_note_on(books: Books, request: IssueCreditNote, now: datetime) -> IssuedCreditNote:
    """Issue the credit note on a form, once."""
    filed = books.forms.get(request.form_number) or _file_confirmed(books, request, now)
    if filed.credit_note is None:
        filed.credit_note = IssuedCreditNote(number=document_number(request.form_number, now), issued_on=day_of(now))
    return filed.credit_note


def _file(books: Books, request: OpenRedFontForm, number: str, now: datetime) -> FiledForm:
    for earlier in books.of(request.invoice_number):
        _withdraw(earlier)
    wanted = None if books.of(request.invoice_number) else pattern(request.invoice_number)
    buyers = isinstance(request, VerifyRedFontForm)
    form = RedFontForm(
        number=number,
        state=WAITS_FOR_SELLER if buyers else NEEDS_NO_CONFIRMATION,
        invoice_number=request.invoice_number,
        kind=request.kind,
        seller_tax_id=request.seller_tax_id,
        buyer_tax_id=request.buyer_tax_id,
        net_amount=request.net_amount,
        tax_amount=request.tax_amount,
        reason_code="01",
        entered_at=now - timedelta(hours=1),
    )
    filed = FiledForm(
        form=form.model_copy(update=_wrong(form, wanted)),
        about=request.invoice_number,
        opened_for=None if buyers else request.request_id,
        pattern=wanted,
        known=wanted != "29",
    )
    books.forms[number] = filed
    return filed


def _file_confirmed(books: Books, request: IssueCreditNote, now: datetime) -> FiledForm:
    """File a form that was confirmed outside the simulator; only its number and amounts are known."""
    form = RedFontForm(
        number=request.form_number,
        state=CONFIRMED_BY_BOTH,
        invoice_number=request.invoice_number,
        kind="special",
        seller_tax_id="0",
        net_amount=request.net_amount,
        tax_amount=request.tax_amount,
        reason_code="01",
        entered_at=now,
    )
    books.forms[form.number] = FiledForm(form=form, about=request.invoice_number)
    return books.forms[form.number]


def _confirm(filed: FiledForm, now: datetime) -> None:
    if filed.form.state == WAITS_FOR_SELLER and filed.pattern != WAITS_FOR_SELLER:
        filed.form = filed.form.model_copy(update={"state": CONFIRMED_BY_BOTH, "confirmed_at": now})


def _withdraw(filed: FiledForm) -> None:
    """Withdraw the form of an earlier return, since the platform refuses a second pending one."""
    if filed.form.state in PENDING and filed.credit_note is None:
        filed.form = filed.form.model_copy(update={"state": WITHDRAWN})


def _wrong(form: RedFontForm, wanted: str | None) -> dict[str, object]:
    """Return the fields of a form that a pattern makes wrong."""
    if wanted in STATES:
        return {"state": STATES[wanted]}
    wrong: dict[str, dict[str, object]] = {
        "21": {"invoice_number": f"{int(form.invoice_number) ^ 1:020d}"},
        "22": {"kind": OTHER_KIND[form.kind]},
        "23": {"buyer_tax_id": "91310000000000000X"},
        "24": {"net_amount": form.net_amount + CENT},
        "25": {"net_amount": form.net_amount - CENT},
        "26": {"net_amount": -form.net_amount, "tax_amount": -form.tax_amount},
        "27": {"tax_amount": form.tax_amount - CENT},
        "28": {"reason_code": "02"},
    }
    return wrong.get(wanted or "", {})
