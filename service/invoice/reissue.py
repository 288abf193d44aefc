"""A new invoice for the charges of a returned one."""

from decimal import Decimal

from events.commands import LinkReplacement, RefuseReissue, RequestReissue
from events.invoice_events import ReissueRefused, ReissueRequested, ReplacementIssued
from service.invoice.claims import Claims, Holder, charge
from service.invoice.decision import Decision, head
from service.invoice.moment import Moment
from service.invoice.refusals import Refusal, refuse
from service.invoice.state import Invoice, Issued, ReturnOpen, Reversed


def request(invoice: Invoice, claims: Claims, command: RequestReissue, moment: Moment) -> Decision:
    """Hold charges of a returned invoice for a new one.

    Refusals: ORIGINAL_NOT_RETURNED, ORIGINAL_RETURN_NOT_COMPLETE, NO_CHARGES_SELECTED, CHARGE_NOT_ON_ORIGINAL,
    CHARGE_ALREADY_REINVOICED. Source: seed, "How soon can I request a new invoice after a return?".
    """
    match invoice:
        case Issued():
            return refuse("ORIGINAL_NOT_RETURNED")
        case ReturnOpen():
            return refuse("ORIGINAL_RETURN_NOT_COMPLETE")
        case Reversed():
            return _selection(invoice, claims, command) or (_requested(invoice, command, moment),)


def _selection(invoice: Reversed, claims: Claims, command: RequestReissue) -> Refusal | None:
    selected = command.charge_ids
    if not selected:
        return refuse("NO_CHARGES_SELECTED")
    own = {item.charge_id for item in invoice.known.body.charges}
    if foreign := [charge_id for charge_id in selected if charge_id not in own]:
        return refuse("CHARGE_NOT_ON_ORIGINAL", charge_ids=[*foreign])
    gone = _reinvoiced(invoice)
    if taken := [id_ for id_ in selected if id_ in gone or claims.holder(charge(id_))]:
        return refuse("CHARGE_ALREADY_REINVOICED", charge_ids=[*taken])
    return None


def _reinvoiced(invoice: Reversed) -> set[str]:
    """Return the charges that went, or are about to go, to a replacement; freed by its return they stay with it."""
    open_ = {charge_id for reissue in invoice.reissues.values() for charge_id in reissue.charge_ids}
    return open_ | {charge_id for _, charge_ids in invoice.linked.values() for charge_id in charge_ids}


def _requested(invoice: Reversed, command: RequestReissue, moment: Moment) -> ReissueRequested:
    body = invoice.known.body
    amounts = [item.amount for item in body.charges if item.charge_id in set(command.charge_ids)]
    return ReissueRequested(
        **head(invoice, moment),
        reissue_id=moment.id,
        charge_ids=command.charge_ids,
        amount=sum(amounts, Decimal("0.00")),
        kind=command.kind or body.kind,
        buyer=command.buyer or body.buyer,
        remarks=command.remarks or None,
    )


def refuse_reissue(invoice: Invoice, claims: Claims, command: RefuseReissue, moment: Moment) -> Decision:
    """Free the charges held for a reissue. Refusals: REISSUE_NOT_FOUND, also when the replacement exists already."""
    reissue = invoice.reissues.get(command.reissue_id) if isinstance(invoice, Reversed) else None
    hold = Holder(command.invoice_number, invoice.account_id, command.reissue_id)
    if reissue is None or not claims.held_by(hold):
        return refuse("REISSUE_NOT_FOUND", reissue_id=command.reissue_id)
    return (
        ReissueRefused(
            **head(invoice, moment),
            reissue_id=command.reissue_id,
            reason=command.reason,
            charge_ids=reissue.charge_ids,
        ),
    )


def link(invoice: Invoice, command: LinkReplacement, moment: Moment) -> Decision:
    """Close a reissue with its replacement. Refusals: REISSUE_NOT_FOUND, which is a bug of ours."""
    if not isinstance(invoice, Reversed):
        return refuse("REISSUE_NOT_FOUND", reissue_id=command.reissue_id)
    linked, reissue = invoice.linked.get(command.reissue_id), invoice.reissues.get(command.reissue_id)
    if linked and linked[0] == command.replacement_number:
        return ()
    if reissue is None:
        return refuse("REISSUE_NOT_FOUND", reissue_id=command.reissue_id)
    return (
        ReplacementIssued(
            **head(invoice, moment),
            reissue_id=command.reissue_id,
            replacement_number=command.replacement_number,
            charge_ids=reissue.charge_ids,
        ),
    )
