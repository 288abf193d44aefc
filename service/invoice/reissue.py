"""A new invoice for the charges of a returned one: requested, refused, or linked once it is issued."""

from collections.abc import Iterable
from decimal import Decimal
from typing import assert_never

from events.commands import LinkReplacement, RefuseReissue, RequestReissue
from events.invoice_events import ReissueRefused, ReissueRequested, ReplacementIssued
from service.invoice.claims import Claim, Claims, Holder
from service.invoice.decision import NOTHING, Decision
from service.invoice.event_heads import head
from service.invoice.moment import Moment
from service.invoice.refusals import Refusal, refuse
from service.invoice.state import FormConfirmed, FormOpen, Invoice, Issued, RecordedReissue, Returned, Reversed, Void


def request_reissue(invoice: Invoice, claims: Claims, command: RequestReissue, moment: Moment) -> Decision:
    """Hold charges of the returned invoice for a new one.

    Refusals: ORIGINAL_NOT_RETURNED, ORIGINAL_RETURN_NOT_COMPLETE, NO_CHARGES_SELECTED, CHARGE_NOT_ON_ORIGINAL,
    CHARGE_ALREADY_REINVOICED, NOTHING_TO_INVOICE, in this order.
    Source: seed, "How soon can I request a new invoice after a return?"
    """
    match invoice:
        case Issued():
            return refuse("ORIGINAL_NOT_RETURNED")
        case FormOpen() | FormConfirmed():
            return refuse("ORIGINAL_RETURN_NOT_COMPLETE")
        case Reversed() | Returned():
            return _wrong_charges(invoice, claims, command) or (_requested(invoice, command, moment),)
        case _:
            assert_never(invoice)


def refuse_reissue(invoice: Invoice, claims: Claims, command: RefuseReissue, moment: Moment) -> Decision:
    """Release the held charges. Once a replacement has taken over the hold, it is too late.

    Refusals: REISSUE_NOT_FOUND.
    """
    held = claims.held_by(Holder(command.invoice_number, invoice.account_id, command.reissue_id))
    if not held:
        return _no_reissue(command.invoice_number, command.reissue_id)
    refused = ReissueRefused(
        **head(invoice, moment),
        reissue_id=command.reissue_id,
        reason=command.reason,
        charge_ids=tuple(charge.charge_id for charge in invoice.body.charges if charge.charge_id in held),
    )
    return (refused,)


def link_replacement(invoice: Invoice, command: LinkReplacement, moment: Moment) -> Decision:
    """Close the reissue: its replacement exists.

    Refusals: REISSUE_NOT_FOUND, which points to a bug, since only the clock sends this.
    """
    reissue = _reissue(invoice, command.reissue_id)
    if reissue is None:
        return _no_reissue(command.invoice_number, command.reissue_id)
    if reissue.replacement_number is None:
        return (_linked(invoice, reissue, command, moment),)
    if reissue.replacement_number == command.replacement_number:
        return NOTHING
    return _no_reissue(command.invoice_number, command.reissue_id)


def _wrong_charges(invoice: Void, claims: Claims, command: RequestReissue) -> Refusal | None:
    """Check the selection. What was reissued from here stays reissued, even if its replacement was returned."""
    selected = command.charge_ids
    if not selected:
        return refuse("NO_CHARGES_SELECTED")
    own = {charge.charge_id for charge in invoice.body.charges}
    if foreign := [charge_id for charge_id in selected if charge_id not in own]:
        return refuse("CHARGE_NOT_ON_ORIGINAL", charge_ids=list(foreign))
    reissued = {charge_id for reissue in invoice.reissues for charge_id in reissue.charge_ids}
    if taken := [charge_id for charge_id in selected if charge_id in reissued or _is_claimed(claims, charge_id)]:
        return refuse("CHARGE_ALREADY_REINVOICED", charge_ids=list(taken))
    amount = _amount(invoice, selected)
    return None if amount > 0 else refuse("NOTHING_TO_INVOICE", amount=str(amount))


def _is_claimed(claims: Claims, charge_id: str) -> bool:
    return claims.holder(Claim("charge", charge_id)) is not None


def _requested(invoice: Void, command: RequestReissue, moment: Moment) -> ReissueRequested:
    return ReissueRequested(
        **head(invoice, moment),
        reissue_id=moment.id,
        charge_ids=command.charge_ids,
        amount=_amount(invoice, command.charge_ids),
        kind=command.kind or invoice.body.kind,
        buyer=command.buyer or invoice.body.buyer,
        remarks=command.remarks or None,
        requested_by=command.requested_by,
    )


def _amount(invoice: Void, charge_ids: Iterable[str]) -> Decimal:
    selected = frozenset(charge_ids)
    own = (charge.amount for charge in invoice.body.charges if charge.charge_id in selected)
    return sum(own, Decimal("0.00"))


def _reissue(invoice: Invoice, reissue_id: str) -> RecordedReissue | None:
    """Find a reissue that was not refused."""
    if not isinstance(invoice, Reversed | Returned):
        return None
    return next((reissue for reissue in invoice.reissues if reissue.reissue_id == reissue_id), None)


def _linked(invoice: Invoice, reissue: RecordedReissue, command: LinkReplacement, moment: Moment) -> ReplacementIssued:
    return ReplacementIssued(
        **head(invoice, moment),
        reissue_id=reissue.reissue_id,
        replacement_number=command.replacement_number,
        charge_ids=reissue.charge_ids,
    )


def _no_reissue(original_number: str, reissue_id: str) -> Refusal:
    return refuse("REISSUE_NOT_FOUND", original_number=original_number, reissue_id=reissue_id)
