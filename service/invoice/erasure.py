"""Erasing what an invoice says of people: the worker destroys its key with the event."""

from events.commands import EraseInvoice
from events.invoice_events import PersonalDataErased
from service.invoice.decision import NOTHING, Decision
from service.invoice.event_heads import head
from service.invoice.moment import Moment
from service.invoice.refusals import refuse
from service.invoice.state import ERASED, FormConfirmed, FormOpen, Invoice


def erase_invoice(invoice: Invoice, command: EraseInvoice, moment: Moment) -> Decision:
    """Erase the texts of an invoice once the law wants them kept no longer.

    Refusals, in this order: INVOICE_NOT_SEALED, RETURN_ALREADY_IN_PROGRESS, RETENTION_NOT_OVER.
    """
    if invoice.body.sealed == ERASED:
        return NOTHING
    if invoice.body.sealed is None:
        return refuse("INVOICE_NOT_SEALED")
    if isinstance(invoice, FormOpen | FormConfirmed):
        return refuse("RETURN_ALREADY_IN_PROGRESS", return_id=invoice.latest.return_id)
    kept_until = moment.policy.kept_until(invoice.last_at)
    if moment.time < kept_until:
        years = moment.policy.retention_years
        return refuse("RETENTION_NOT_OVER", kept_until=kept_until.isoformat(), years=years)
    return (PersonalDataErased(**head(invoice, moment), reason=command.reason, requested_by=command.requested_by),)
