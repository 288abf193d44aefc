"""What an invoice can be: one class per column of docs/contract.md#by-status. Nothing here decides anything."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import assert_never, cast

from events.invoice_events import InvoiceIssued
from events.sealing import take_out
from events.values import Route, SeenPostingStatus, StatusCode


@dataclass(frozen=True, slots=True)
class Posting:
    """Whether the buyer has booked the invoice, and when that change was observed."""

    status: SeenPostingStatus
    observed_at: datetime | None


ERASED, KEY_LOST = "erased", "key lost"
"""In the place of sealed texts that nobody can open: their key was destroyed, or is not there."""


def without_texts(body: InvoiceIssued, why: str) -> InvoiceIssued:
    """Return what was issued as it is known without its key. why: `ERASED` or `KEY_LOST`."""
    blank, _ = take_out(body)
    return cast("InvoiceIssued", blank).but(sealed=why)


NEVER_OBSERVED = Posting("unknown", None)


@dataclass(frozen=True, slots=True)
class Return:
    """The latest return. form_number is the customer's (form route); attempts counts the transient failures so far."""

    return_id: str
    route: Route
    form_number: str | None
    requested_at: datetime
    due_earliest: datetime
    due_latest: datetime
    attempts: int = 0
    overdue: bool = False


@dataclass(frozen=True, slots=True)
class RecordedCreditNote:
    """The one credit note that reversed the invoice. Amounts are negative or zero."""

    number: str
    net_amount: Decimal
    tax_amount: Decimal


@dataclass(frozen=True, slots=True)
class RecordedReissue:
    """Charges that are to be invoiced again. Open until replacement_number is known; a refused one is removed."""

    reissue_id: str
    charge_ids: tuple[str, ...]
    replacement_number: str | None = None


@dataclass(frozen=True, slots=True)
class OnRecord:
    """What every invoice has: what was issued, whether the buyer has booked it, and the time of its last event."""

    body: InvoiceIssued
    posting: Posting
    last_at: datetime

    @property
    def account_id(self) -> str:
        """The account that the invoice belongs to."""
        return self.body.account_id

    @property
    def without_texts(self) -> bool:
        """Whether its texts were sealed under a key that is gone."""
        return self.body.sealed in {ERASED, KEY_LOST}


@dataclass(frozen=True, slots=True)
class Issued(OnRecord):
    """No return is under way: there was none, or the latest was refused."""


@dataclass(frozen=True, slots=True)
class FormOpen(OnRecord):
    """A return is in progress; its form is not confirmed yet."""

    latest: Return


@dataclass(frozen=True, slots=True)
class FormConfirmed(OnRecord):
    """A return is in progress; confirmed_form is the number of the form that the credit note must name."""

    latest: Return
    confirmed_form: str


@dataclass(frozen=True, slots=True)
class Reversed(OnRecord):
    """Reversed in full by its credit note, and void. This is final."""

    latest: Return
    confirmed_form: str
    credit_note: RecordedCreditNote
    reissues: tuple[RecordedReissue, ...] = ()


@dataclass(frozen=True, slots=True)
class Returned(OnRecord):
    """Reversed, and the tax system shows it too."""

    latest: Return
    confirmed_form: str
    credit_note: RecordedCreditNote
    reissues: tuple[RecordedReissue, ...] = ()


InProgress = FormOpen | FormConfirmed
Void = Reversed | Returned
Invoice = Issued | InProgress | Void


def status_of(invoice: Invoice) -> StatusCode:
    """Return the status that customers see."""
    match invoice:
        case Issued():
            return "issued"
        case FormOpen() | FormConfirmed():
            return "return_in_progress"
        case Reversed():
            return "reversed_with_credit_note"
        case Returned():
            return "returned"
        case _:
            assert_never(invoice)


def claimed_form(invoice: Invoice) -> str | None:
    """Return the form that the return under way has claimed: the customer's, or the confirmed one."""
    match invoice:
        case FormOpen(latest=latest):
            return latest.form_number
        case FormConfirmed(confirmed_form=number):
            return number
        case Issued() | Reversed() | Returned():
            return None
        case _:
            assert_never(invoice)
