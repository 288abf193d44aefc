"""What must be unique over all invoices: a form serves one, a document number names one, a charge is on one.

Invoice and credit note numbers are one set. A charge is held by an invoice, or for a reissue of one (a hold).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from events.commands import (
    AnyCommand,
    ConfirmRedFontForm,
    RecordCreditNote,
    RefuseReissue,
    RegisterInvoice,
    RequestReissue,
    RequestReturn,
)
from events.invoice_events import (
    AnyInvoiceEvent,
    CreditNoteIssued,
    InvoiceIssued,
    RedFontFormConfirmed,
    ReissueRefused,
    ReissueRequested,
    ReturnRefused,
    ReturnRequested,
)
from service.invoice.state import Invoice, ReturnOpen

ClaimKind = Literal["form", "document", "charge"]


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """One thing that only one invoice may have."""

    kind: ClaimKind
    key: str


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has it: an invoice, or with a reissue_id the hold of a reissue of that invoice."""

    invoice_number: str
    account_id: str
    reissue_id: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A claim passes from one holder to another; None is nobody."""

    claim: Claim
    was: Holder | None
    now: Holder | None


@dataclass(frozen=True, slots=True)
class Named:
    """What must be known to decide a command: single claims, and holds as (original invoice, reissue_id)."""

    claims: frozenset[Claim] = frozenset()
    holds: frozenset[tuple[str, str]] = frozenset()


class Claims(Protocol):
    """Who holds what, now."""

    def holder(self, claim: Claim) -> Holder | None:
        """Return who holds a claim."""
        ...

    def held_by(self, holder: Holder) -> frozenset[str]:
        """Return the charges held for a reissue."""
        ...


class Overlay:
    """Claims as loaded, and what a batch has changed since: a command sees what those before it left."""

    def __init__(self, loaded: Mapping[Claim, Holder]) -> None:
        self._loaded = loaded
        self._now: dict[Claim, Holder | None] = dict(loaded)

    def holder(self, claim: Claim) -> Holder | None:
        """Return who holds a claim."""
        return self._now.get(claim)

    def held_by(self, holder: Holder) -> frozenset[str]:
        """Return the charges held for a reissue."""
        return frozenset(claim.key for claim, now in self._now.items() if now == holder and claim.kind == "charge")

    def apply(self, changes: Iterable[Change]) -> None:
        """Let claims pass on."""
        for change in changes:
            self._now[change.claim] = change.now

    def net(self) -> list[Change]:
        """Return what has changed in all, in the order of the claims."""
        return [
            Change(claim, self._loaded.get(claim), now)
            for claim, now in sorted(self._now.items(), key=lambda item: item[0])
            if self._loaded.get(claim) != now
        ]


def form(number: str) -> Claim:
    """Return the claim on a red-font form."""
    return Claim("form", number)


def document(number: str) -> Claim:
    """Return the claim on the number of an invoice or credit note."""
    return Claim("document", number)


def charge(charge_id: str) -> Claim:
    """Return the claim on a charge."""
    return Claim("charge", charge_id)


def named(command: AnyCommand) -> Named:
    """Return what a command names."""
    match command:
        case RegisterInvoice():
            claims = {document(command.invoice_number), *(charge(item.charge_id) for item in command.charges)}
            replaced = command.replaces
            holds = {(replaced.invoice_number, replaced.reissue_id)} if replaced else set[tuple[str, str]]()
            return Named(frozenset(claims), frozenset(holds))
        case RequestReturn(red_font_form_number=number) if number:
            return Named(frozenset({form(number)}))
        case ConfirmRedFontForm():
            return Named(frozenset({form(command.form.number)}))
        case RecordCreditNote():
            return Named(frozenset({document(command.credit_note_number)}))
        case RequestReissue():
            return Named(frozenset(map(charge, command.charge_ids)))
        case RefuseReissue():
            return Named(holds=frozenset({(command.invoice_number, command.reissue_id)}))
        case _:
            return Named()


def held(invoice: Invoice) -> frozenset[Claim]:
    """Return the claims that an invoice's next events may free."""
    if not isinstance(invoice, ReturnOpen):
        return frozenset()
    number = _form_number(invoice)
    forms = {form(number)} if number else set[Claim]()
    return frozenset({*forms, *(charge(item.charge_id) for item in invoice.known.body.charges)})


def _form_number(invoice: ReturnOpen) -> str | None:
    return invoice.form.number if invoice.form else invoice.request.red_font_form_number


def changes(before: Invoice | None, event: AnyInvoiceEvent) -> list[Change]:
    """Return the claims that pass on with an event."""
    own = Holder(event.invoice_number, event.account_id)
    match event:
        case InvoiceIssued(replaces=replaced):
            hold = Holder(replaced.invoice_number, event.account_id, replaced.reissue_id) if replaced else None
            return [
                Change(document(event.invoice_number), None, own),
                *(Change(charge(item.charge_id), hold, own) for item in event.charges),
            ]
        case ReturnRequested(red_font_form_number=number) if number:
            return [Change(form(number), None, own)]
        case RedFontFormConfirmed() if cast("ReturnOpen", before).request.route == "simple":
            return [Change(form(event.form.number), None, own)]
        case ReturnRefused() if number := _form_number(cast("ReturnOpen", before)):
            return [Change(form(number), own, None)]
        case CreditNoteIssued():
            freed = [Change(charge(charge_id), own, None) for charge_id in event.released_charge_ids]
            return [Change(document(event.credit_note_number), None, own), *freed]
        case ReissueRequested():
            hold = Holder(event.invoice_number, event.account_id, event.reissue_id)
            return [Change(charge(charge_id), None, hold) for charge_id in event.charge_ids]
        case ReissueRefused():
            hold = Holder(event.invoice_number, event.account_id, event.reissue_id)
            return [Change(charge(charge_id), hold, None) for charge_id in event.charge_ids]
        case _:
            return []
