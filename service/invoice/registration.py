"""Registering an invoice: each number once, each charge on one invoice, and all amounts adding up."""

from datetime import date
from decimal import Decimal

from events.commands import RegisterInvoice
from events.invoice_events import InvoiceIssued
from service.invoice.claims import Claim, Claims, Holder, document_claim
from service.invoice.decision import Decision
from service.invoice.moment import Moment
from service.invoice.refusals import Refusal, refuse
from service.invoice.state import Invoice

FIRST_DIGITAL = date(2021, 1, 1)
"""When digital invoices began."""


def register_invoice(state: Invoice | None, claims: Claims, command: RegisterInvoice, moment: Moment) -> Decision:
    """Register billing's invoice; if it names a hold, it is the replacement and takes over the held charges.

    Refusals, in this order: INVOICE_ALREADY_REGISTERED (also for an exact repeat), NUMBER_YEAR_MISMATCH,
    ISSUED_ON_IMPLAUSIBLE, BUYER_TAX_ID_REQUIRED, AMOUNTS_DO_NOT_ADD_UP, REISSUE_NOT_FOUND, REISSUE_CHARGES_MISMATCH,
    CHARGE_ALREADY_INVOICED, CHARGE_OF_ANOTHER_ACCOUNT.
    """
    if state is not None or claims.holder(document_claim(command.invoice_number)) is not None:
        return refuse("INVOICE_ALREADY_REGISTERED", invoice_number=command.invoice_number)
    refusal = _wrong_body(command, moment) or _wrong_hold(command, claims) or _wrong_charges(command, claims)
    return refusal or (_issued(command, moment),)


def _wrong_body(command: RegisterInvoice, moment: Moment) -> Refusal | None:
    return _wrong_year(command) or _wrong_day(command, moment) or _wrong_buyer(command) or _wrong_sums(command)


def _wrong_year(command: RegisterInvoice) -> Refusal | None:
    """Source: digital invoice number, digits 1-2 are the last two of the year of issue."""
    year = command.invoice_number[:2]
    if year == f"{command.issued_on.year % 100:02}":
        return None
    return refuse("NUMBER_YEAR_MISMATCH", number_year=year, issued_on=command.issued_on.isoformat())


def _wrong_day(command: RegisterInvoice, moment: Moment) -> Refusal | None:
    if FIRST_DIGITAL <= command.issued_on <= moment.tomorrow:
        return None
    return refuse(
        "ISSUED_ON_IMPLAUSIBLE",
        issued_on=command.issued_on.isoformat(),
        earliest=FIRST_DIGITAL.isoformat(),
        latest=moment.tomorrow.isoformat(),
    )


def _wrong_buyer(command: RegisterInvoice) -> Refusal | None:
    nameless = command.kind == "special" and command.buyer.tax_id is None
    return refuse("BUYER_TAX_ID_REQUIRED") if nameless else None


def _wrong_sums(command: RegisterInvoice) -> Refusal | None:
    """Source: total = net + tax, with no tolerance."""
    net_and_tax = command.net_amount + command.tax_amount
    charges = sum((charge.amount for charge in command.charges), Decimal("0.00"))
    if net_and_tax == command.total_amount == charges:
        return None
    return refuse(
        "AMOUNTS_DO_NOT_ADD_UP", net_and_tax=str(net_and_tax), charges=str(charges), total=str(command.total_amount)
    )


def _hold(command: RegisterInvoice) -> Holder | None:
    replaces = command.replaces
    return Holder(replaces.invoice_number, command.account_id, replaces.reissue_id) if replaces else None


def _wrong_hold(command: RegisterInvoice, claims: Claims) -> Refusal | None:
    hold = _hold(command)
    if hold is None:
        return None
    held = claims.held_by(hold)
    if not held:
        return refuse("REISSUE_NOT_FOUND", original_number=hold.invoice_number, reissue_id=hold.reissue_id)
    if held != frozenset(charge.charge_id for charge in command.charges):
        return refuse("REISSUE_CHARGES_MISMATCH", reissue_id=hold.reissue_id, held_charge_ids=[*sorted(held)])
    return None


def _wrong_charges(command: RegisterInvoice, claims: Claims) -> Refusal | None:
    return _taken(command, claims) or _of_another_account(command, claims)


def _of_another_account(command: RegisterInvoice, claims: Claims) -> Refusal | None:
    for charge in command.charges:
        released = claims.released_by(Claim("charge", charge.charge_id))
        if released is not None and released.account_id != command.account_id:
            return refuse("CHARGE_OF_ANOTHER_ACCOUNT", charge_id=charge.charge_id)
    return None


def _taken(command: RegisterInvoice, claims: Claims) -> Refusal | None:
    own = _hold(command)
    for charge in command.charges:
        holder = claims.holder(Claim("charge", charge.charge_id))
        if holder is not None and holder != own:
            return _refuse_taken(charge.charge_id, holder)
    return None


def _refuse_taken(charge_id: str, holder: Holder) -> Refusal:
    number, reissue_id = holder.invoice_number, holder.reissue_id
    if reissue_id is None:
        return refuse(
            "CHARGE_ALREADY_INVOICED", said=f"the invoice {number}", charge_id=charge_id, invoice_number=number
        )
    said = f"the reissue {reissue_id} of the invoice {number}"
    return refuse(
        "CHARGE_ALREADY_INVOICED", said=said, charge_id=charge_id, reissue_id=reissue_id, original_number=number
    )


def _issued(command: RegisterInvoice, moment: Moment) -> InvoiceIssued:
    return InvoiceIssued.of_valid(
        invoice_number=command.invoice_number,
        account_id=command.account_id,
        occurred_at=moment.time,
        kind=command.kind,
        issued_on=command.issued_on,
        seller=command.seller,
        buyer=command.buyer,
        net_amount=command.net_amount,
        tax_amount=command.tax_amount,
        total_amount=command.total_amount,
        charges=command.charges,
        remarks=command.remarks,
        replaces=command.replaces,
        documents=command.documents or None,
    )
