"""The connector: asks the platform, and tells Redletter what it says, in the manner that a number asks for. No I/O."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from events.commands import (
    AnyCommand,
    CompleteReturn,
    ConfirmRedFontForm,
    RecordCreditNote,
    RejectRedFontForm,
    ReportReversalFailure,
)
from events.tax_requests import AnyTaxRequest, IssueCreditNote, OpenRedFontForm, VerifyRedFontForm, VerifyReversal
from tax_simulator.patterns import pattern
from tax_simulator.platform import CENT, Books, CreditNote, Filed, credit_note_on, form_for

LATER = timedelta(seconds=5)
FAILURES = 2
AT_ONCE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Answer:
    """A command for Redletter, and how long it takes to get there."""

    command: AnyCommand
    after: timedelta = AT_ONCE


def answers(books: Books, request: AnyTaxRequest, now: datetime) -> list[Answer]:
    """Answer a request: the platform does its part, and the connector tells it."""
    asked, times = pattern(request.invoice_number), books.ask(request.request_id)
    if asked == "45" and times <= FAILURES:
        return _failing(request)
    told = list(_tell(books, request, now, times))
    match asked:
        case "41":
            return [Answer(command, LATER) for command in told]
        case "42" if times == 1:
            return []
        case "43":
            return [Answer(command) for command in told for _ in range(2)]
        case "46" if isinstance(request, VerifyReversal):
            return [*map(Answer, told), *(Answer(command, LATER) for command in _everything(books, request))]
        case _:
            return [Answer(command) for command in told]


def _failing(request: AnyTaxRequest) -> list[Answer]:
    """Fail for now. That the reversal does not show yet is no failure: there is nothing to tell."""
    return [] if isinstance(request, VerifyReversal) else [Answer(_failure(request, permanent=False))]


def _tell(books: Books, request: AnyTaxRequest, now: datetime, times: int) -> Iterator[AnyCommand]:
    match request:
        case VerifyRedFontForm() | OpenRedFontForm():
            yield from _about_form(books, request, now)
        case IssueCreditNote():
            yield _about_credit_note(books, request, now, times)
        case VerifyReversal():
            yield CompleteReturn(invoice_number=request.invoice_number, credit_note_number=request.credit_note_number)
        case _:
            assert_never(request)


def _about_form(books: Books, request: OpenRedFontForm, now: datetime) -> Iterator[AnyCommand]:
    filed = form_for(books, request, now)
    if not filed.known:
        yield RejectRedFontForm(invoice_number=request.invoice_number, return_id=request.return_id)
        return
    if pattern(request.invoice_number) == "47":
        early = IssueCreditNote(
            request_id=request.request_id,
            invoice_number=request.invoice_number,
            return_id=request.return_id,
            attempt=request.attempt,
            form_number=filed.form.number,
            net_amount=filed.form.net_amount,
            tax_amount=filed.form.tax_amount,
        )
        yield _credit_note(early, credit_note_on(books, early, now))
    yield ConfirmRedFontForm(invoice_number=request.invoice_number, return_id=request.return_id, form=filed.form)


def _about_credit_note(books: Books, request: IssueCreditNote, now: datetime, times: int) -> AnyCommand:
    filed = books.forms.get(request.form_number)
    if filed and filed.pattern == "33":
        return _failure(request, permanent=True)
    told = _credit_note(request, credit_note_on(books, request, now))
    asked = pattern(request.invoice_number) if times == 1 else None
    if asked == "31":
        return told.model_copy(update={"net_amount": told.net_amount + CENT})
    if asked == "32":
        return told.model_copy(update={"credit_note_number": request.invoice_number})
    return told


def _credit_note(request: IssueCreditNote, note: CreditNote) -> RecordCreditNote:
    return RecordCreditNote(
        invoice_number=request.invoice_number,
        return_id=request.return_id,
        credit_note_number=note.number,
        issued_on=note.issued_on,
        form_number=request.form_number,
        net_amount=request.net_amount,
        tax_amount=request.tax_amount,
    )


def _failure(request: AnyTaxRequest, *, permanent: bool) -> ReportReversalFailure:
    return ReportReversalFailure(
        invoice_number=request.invoice_number,
        return_id=request.return_id,
        permanent=permanent,
        code="TAX_PLATFORM_REFUSED" if permanent else "TAX_PLATFORM_BUSY",
        detail="asked for by the invoice number",
    )


def _everything(books: Books, request: VerifyReversal) -> Iterator[AnyCommand]:
    """Tell once more what is on the books about a return that has ended."""
    number, return_id = request.invoice_number, request.return_id
    for filed in _with_credit_note(books.of(number)):
        yield ConfirmRedFontForm(invoice_number=number, return_id=return_id, form=filed.form)
        yield ReportReversalFailure(
            invoice_number=number, return_id=return_id, permanent=True, code="TAX_PLATFORM_BUSY"
        )
    yield CompleteReturn(invoice_number=number, credit_note_number=request.credit_note_number)


def _with_credit_note(forms: Iterable[Filed]) -> Iterator[Filed]:
    return (filed for filed in forms if filed.credit_note)
