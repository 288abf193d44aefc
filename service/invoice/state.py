"""The states of an invoice, as its events have left it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from events.invoice_events import CreditNoteIssued, InvoiceIssued, ReissueRequested, ReturnRequested
from events.values import AccountId, RedFontForm, ReturnId, SeenPostingStatus, StatusCode


@dataclass(frozen=True, slots=True)
class Known:
    """What is on record of an invoice in every state."""

    body: InvoiceIssued
    posting: SeenPostingStatus = "unknown"
    observed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """As issued; a return may have been refused before."""

    known: Known
    last_return_id: ReturnId | None = None

    @property
    def account_id(self) -> AccountId:
        """Whose invoice it is."""
        return self.known.body.account_id


@dataclass(frozen=True, slots=True)
class ReturnOpen:
    """A return is under way; its form is open until it is confirmed."""

    known: Known
    request: ReturnRequested
    form: RedFontForm | None = None
    attempts: int = 0
    overdue: bool = False

    @property
    def account_id(self) -> AccountId:
        """Whose invoice it is."""
        return self.known.body.account_id


@dataclass(frozen=True, slots=True)
class Reversed:
    """Void: a credit note for the full amount exists. returned: the tax system shows it too.

    reissues are open ones; linked ones have their replacement.
    """

    known: Known
    request: ReturnRequested
    credit_note: CreditNoteIssued
    returned: bool = False
    reissues: Mapping[str, ReissueRequested] = field(default_factory=dict[str, ReissueRequested])
    linked: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict[str, tuple[str, tuple[str, ...]]])

    @property
    def account_id(self) -> AccountId:
        """Whose invoice it is."""
        return self.known.body.account_id


Invoice = Issued | ReturnOpen | Reversed


def status_of(invoice: Invoice) -> StatusCode:
    """Return the status code of an invoice."""
    match invoice:
        case Issued():
            return "issued"
        case ReturnOpen():
            return "return_in_progress"
        case Reversed(returned=returned):
            return "returned" if returned else "reversed_with_credit_note"


def latest_return_id(invoice: Invoice) -> ReturnId | None:
    """Return the id of the latest return, ended or not."""
    return invoice.last_return_id if isinstance(invoice, Issued) else invoice.request.return_id
