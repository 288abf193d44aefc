"""A return in progress: failures that the tax side reports, lateness, and revised due dates."""

from typing import assert_never

from events.commands import (
    ReportReversalFailure,
    ReviseDeadline,
)
from events.invoice_events import (
    ReturnDeadlineRevised,
    ReturnOverdue,
    ReturnRefused,
    ReversalAttemptFailed,
)
from service.invoice.decision import NOTHING, Decision
from service.invoice.endings import ending
from service.invoice.event_heads import return_head
from service.invoice.moment import Moment
from service.invoice.refusals import refuse
from service.invoice.state import (
    FormConfirmed,
    FormOpen,
    InProgress,
    Invoice,
    Issued,
    Returned,
    Reversed,
    claimed_form,
)


def report_failure(invoice: Invoice, command: ReportReversalFailure, moment: Moment) -> Decision:
    """Record that the tax side failed: for now, or permanently, which ends the return.

    Refusals: NO_RETURN_IN_PROGRESS.
    """
    match invoice:
        case FormOpen() | FormConfirmed():
            return (_refused(invoice, command, moment) if command.permanent else _failed(invoice, command, moment),)
        case Issued() | Reversed() | Returned():
            return refuse("NO_RETURN_IN_PROGRESS")
        case _:
            assert_never(invoice)


def mark_overdue(invoice: Invoice, moment: Moment) -> Decision:
    """Mark a return that is past its last due time, once. Work on it continues.

    Refusals: NO_RETURN_IN_PROGRESS, RETURN_NOT_OVERDUE.
    """
    match invoice:
        case FormOpen(latest=latest) | FormConfirmed(latest=latest):
            if latest.overdue:
                return NOTHING
            if moment.time < latest.due_latest:
                return refuse("RETURN_NOT_OVERDUE", due_latest=latest.due_latest.isoformat())
            return (_overdue(invoice, moment),)
        case Issued() | Reversed() | Returned():
            return refuse("NO_RETURN_IN_PROGRESS")
        case _:
            assert_never(invoice)


def revise_deadline(invoice: Invoice, command: ReviseDeadline, moment: Moment) -> Decision:
    """Replace the due dates; a return that is marked overdue stays overdue.

    Refusals: NO_RETURN_IN_PROGRESS.
    """
    match invoice:
        case FormOpen(latest=latest) | FormConfirmed(latest=latest):
            same = (latest.due_earliest, latest.due_latest) == (command.due_earliest, command.due_latest)
            return NOTHING if same else (_revised(invoice, command, moment),)
        case Issued() | Reversed() | Returned():
            return refuse("NO_RETURN_IN_PROGRESS")
        case _:
            assert_never(invoice)


def _refused(invoice: InProgress, command: ReportReversalFailure, moment: Moment) -> ReturnRefused:
    return ReturnRefused(
        **return_head(invoice, moment),
        code=command.code,
        message=ending(command.code, said=command.detail or ""),
        details={} if command.detail is None else {"detail": command.detail},
        form_number=claimed_form(invoice),
    )


def _failed(invoice: InProgress, command: ReportReversalFailure, moment: Moment) -> ReversalAttemptFailed:
    attempt = invoice.latest.attempts + 1
    return ReversalAttemptFailed(
        **return_head(invoice, moment),
        attempt=attempt,
        code=command.code,
        detail=command.detail,
        retry_at=moment.time + moment.policy.wait(attempt),
    )


def _overdue(invoice: InProgress, moment: Moment) -> ReturnOverdue:
    return ReturnOverdue(
        **return_head(invoice, moment),
        due_latest=invoice.latest.due_latest,
    )


def _revised(invoice: InProgress, command: ReviseDeadline, moment: Moment) -> ReturnDeadlineRevised:
    return ReturnDeadlineRevised(
        **return_head(invoice, moment),
        due_earliest=command.due_earliest,
        due_latest=command.due_latest,
        calendar=command.calendar,
    )
