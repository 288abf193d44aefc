"""What a decision comes to."""

from events.invoice_events import AnyInvoiceEvent
from service.invoice.refusals import Refusal

Decision = tuple[AnyInvoiceEvent, ...] | Refusal
"""The events to append, or why none are."""

NOTHING: tuple[AnyInvoiceEvent, ...] = ()
"""Accepted, and nothing to append: it is on record already."""
