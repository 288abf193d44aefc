"""An invoice comes on record, and the buyer's books are observed."""

from collections.abc import Iterator

from pydantic import JsonValue

from events.commands import RecordPostingStatus, RegisterInvoice
from events.invoice_events import InvoiceIssued, PostingStatusChanged
from service.invoice.claims import Claims, Holder, charge, document
from service.invoice.decision import Decision, head
from service.invoice.moment import Moment
from service.invoice.refusals import Refusal, refuse
from service.invoice.state import Invoice


def register(state: Invoice | None, claims: Claims, command: RegisterInvoice, moment: Moment) -> Decision:
    """Put an invoice on record.

    Refusals: INVOICE_ALREADY_REGISTERED, NUMBER_YEAR_MISMATCH, AMOUNTS_DO_NOT_ADD_UP, REISSUE_NOT_FOUND,
    REISSUE_CHARGES_MISMATCH, CHARGE_ALREADY_INVOICED.
    Source: domain, "Numbers and amounts"; contract, "RegisterInvoice" and "Claims".
    """
    if state is not None or claims.holder(document(command.invoice_number)):
        return refuse("INVOICE_ALREADY_REGISTERED", invoice_number=command.invoice_number)
    if refusal := _shape(command) or _replacing(claims, command) or _charges_taken(claims, command):
        return refusal
    fields = {name: getattr(command, name) for name in RegisterInvoice.model_fields}
    return (InvoiceIssued(occurred_at=moment.time, **fields),)


def _shape(command: RegisterInvoice) -> Refusal | None:
    if command.invoice_number[:2] != f"{command.issued_on.year % 100:02d}":
        year = command.issued_on.year
        return refuse("NUMBER_YEAR_MISMATCH", expected=f"{year % 100:02d}", found=command.invoice_number[:2])
    charges = sum(item.amount for item in command.charges)
    if command.net_amount + command.tax_amount != command.total_amount or charges != command.total_amount:
        return refuse(
            "AMOUNTS_DO_NOT_ADD_UP",
            net_amount=str(command.net_amount),
            tax_amount=str(command.tax_amount),
            total_amount=str(command.total_amount),
            charges=str(charges),
        )
    return None


def _hold(command: RegisterInvoice) -> Holder | None:
    replaced = command.replaces
    return Holder(replaced.invoice_number, command.account_id, replaced.reissue_id) if replaced else None


def _replacing(claims: Claims, command: RegisterInvoice) -> Refusal | None:
    hold = _hold(command)
    if hold is None:
        return None
    held = claims.held_by(hold)
    if not held:
        return refuse("REISSUE_NOT_FOUND", invoice_number=hold.invoice_number, reissue_id=hold.reissue_id)
    found = {item.charge_id for item in command.charges}
    if found != held:
        return refuse("REISSUE_CHARGES_MISMATCH", expected=[*sorted(held)], found=[*sorted(found)])
    return None


def _charges_taken(claims: Claims, command: RegisterInvoice) -> Refusal | None:
    taken = list(_taken(claims, command))
    if not taken:
        return None
    return Refusal(
        "CHARGE_ALREADY_INVOICED",
        refuse("CHARGE_ALREADY_INVOICED").message,
        {**taken[0], "charges": [*taken]},
    )


def _taken(claims: Claims, command: RegisterInvoice) -> Iterator[dict[str, JsonValue]]:
    hold = _hold(command)
    for item in command.charges:
        holder = claims.holder(charge(item.charge_id))
        if holder is not None and holder != hold:
            by = {"reissue_id": holder.reissue_id} if holder.reissue_id else {"invoice_number": holder.invoice_number}
            yield {"charge_id": item.charge_id, **by}


def record_posting_status(invoice: Invoice, command: RecordPostingStatus, moment: Moment) -> Decision:
    """Note whether the buyer has booked the invoice. A return under way is never changed by it.

    Refusals: STALE_OBSERVATION.
    """
    known = invoice.known
    if command.posting_status == known.posting:
        return ()
    if known.observed_at and command.observed_at < known.observed_at:
        return refuse(
            "STALE_OBSERVATION", observed_at=command.observed_at.isoformat(), last=known.observed_at.isoformat()
        )
    return (
        PostingStatusChanged(
            **head(invoice, moment),
            previous=known.posting,
            posting_status=command.posting_status,
            observed_at=command.observed_at,
        ),
    )
