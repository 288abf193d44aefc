"""The posting status: the buyer books the invoice or withdraws the booking; the tax side observes it, at times late."""

from datetime import timedelta

from events.commands import RecordPostingStatus
from events.invoice_events import PostingStatusChanged
from service.invoice.decision import NOTHING, Decision
from service.invoice.event_heads import head
from service.invoice.moment import Moment
from service.invoice.refusals import refuse
from service.invoice.state import Invoice

MAX_AHEAD = timedelta(minutes=5)
"""How far an observer's clock may be ahead of the broker's."""


def record_posting_status(invoice: Invoice, command: RecordPostingStatus, moment: Moment) -> Decision:
    """Record the observed posting status. It never changes a return in progress.

    Refusals: OBSERVATION_IN_FUTURE, even if that status is on record; then STALE_OBSERVATION.
    """
    latest = moment.time + MAX_AHEAD
    if command.observed_at > latest:
        return refuse("OBSERVATION_IN_FUTURE", observed_at=command.observed_at.isoformat(), latest=latest.isoformat())
    known = invoice.posting
    if command.posting_status == known.status:
        return NOTHING
    if known.observed_at is not None and command.observed_at < known.observed_at:
        return refuse("STALE_OBSERVATION", expected=known.status, last_observed_at=known.observed_at.isoformat())
    changed = PostingStatusChanged.of_valid(
        **head(invoice, moment),
        previous=known.status,
        posting_status=command.posting_status,
        observed_at=command.observed_at,
    )
    return (changed,)
