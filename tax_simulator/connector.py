"""The connector: turns a tax request into the commands that report the platform's answer to Redletter. No I/O."""

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
from tax_simulator.platform import CENT, Books, FiledForm, IssuedCreditNote, credit_note_on, form_for

_DELAY = timedelta(seconds=5)
_MAX_FAILURES = 2
_NO_DELAY = timedelta(0)


@dataclass(frozen=True, slots=True)
class DelayedCommand:
    """A command for Redletter, and after what time it is sent."""

    command: AnyCommand
    after: timedelta = _NO_DELAY


def commands_for(books: Books, request: AnyTaxRequest, now: datetime) -> list[DelayedCommand]:
    """Let the platform process a request, and return the commands that report it.

    The pattern in the invoice number may delay, repeat or drop them.
    """
    wanted, times = pattern(request.invoice_number), books.count_request(request.request_id)
    if wanted == "45" and times <= _MAX_FAILURES:
        return _failing(request)
    commands = list(_report(books, request, now, times))
    match wanted:
        case "41":
            return [DelayedCommand(command, _DELAY) for command in commands]
        case "42" if times == 1:
            return []
        case "43":
            return [DelayedCommand(command) for command in commands for _ in range(2)]
        case "46" if isinstance(request, VerifyReversal):
            again = [DelayedCommand(command, _DELAY) for command in _everything(books, request)]
            return [*map(DelayedCommand, commands), *again]
        case _:
            return [DelayedCommand(command) for command in commands]


def _failing(request: AnyTaxRequest) -> list[DelayedCommand]:
    """Report a temporary failure; nothing if the reversal is only not visible yet."""
    return [] if isinstance(request, VerifyReversal) else [DelayedCommand(_failure(request, permanent=False))]


def _report(books: Books, request: AnyTaxRequest, now: datetime, times: int) -> Iterator[AnyCommand]:
    match request:
        case VerifyRedFontForm() | OpenRedFontForm():
            yield from _report_form(books, request, now)
        case IssueCreditNote():
            yield _report_credit_note(books, request, now, times)
        case VerifyReversal():
            yield CompleteReturn(invoice_number=request.invoice_number, credit_note_number=request.credit_note_number)
        case _:
            assert_never(request)


def _report_form(books: Books, request: OpenRedFontForm, now: datetime) -> Iterator[AnyCommand]:
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


def _report_credit_note(books: Books, request: IssueCreditNote, now: datetime, times: int) -> AnyCommand:
    filed = books.forms.get(request.form_number)
    if filed and filed.pattern == "33":
        return _failure(request, permanent=True)
    note = _credit_note(request, credit_note_on(books, request, now))
    wanted = pattern(request.invoice_number) if times == 1 else None
    if wanted == "31":
        return note.model_copy(update={"net_amount": note.net_amount + CENT})
    if wanted == "32":
        return note.model_copy(update={"credit_note_number": request.invoice_number})
    return note


def _credit_note(request: IssueCreditNote, note: IssuedCreditNote) -> RecordCreditNote:
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
    """Report again everything that the books have about a return that has ended."""
    number, return_id = request.invoice_number, request.return_id
    for filed in _with_credit_note(books.of(number)):
        yield ConfirmRedFontForm(invoice_number=number, return_id=return_id, form=filed.form)
        yield ReportReversalFailure(
            invoice_number=number, return_id=return_id, permanent=True, code="TAX_PLATFORM_BUSY"
        )
    yield CompleteReturn(invoice_number=number, credit_note_number=request.credit_note_number)


def _with_credit_note(forms: Iterable[FiledForm]) -> Iterator[FiledForm]:
    return (filed for filed in forms if filed.credit_note)
