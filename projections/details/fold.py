"""Events -> details. The status in it comes from the status read model's own fold, so that both show the same."""

from typing import assert_never

from events.invoice_events import (
    AnyInvoiceEvent,
    CreditNoteIssued,
    InvoiceIssued,
    InvoiceReturned,
    PersonalDataErased,
    PostingStatusChanged,
    RedFontFormConfirmed,
    ReissueRefused,
    ReissueRequested,
    ReplacementIssued,
    ReturnDeadlineRevised,
    ReturnOverdue,
    ReturnRefused,
    ReturnRequested,
    ReversalAttemptFailed,
)
from events.status import InvoiceStatus
from events.values import RedFontForm
from projections.details.row import (
    CreditNote,
    Erasure,
    NamedForm,
    Reissue,
    Replacement,
    ReturnDetails,
    Sequel,
)
from projections.status import fold as status

_Changes = dict[str, object]
"""New values of fields of the sequel, by name."""


def fold(sequel: Sequel | None, event: AnyInvoiceEvent, version: int) -> Sequel:
    """Fold one event of the invoice into its sequel; a repeat gives the same sequel again.

    Raises: VersionGap.
    """
    now = status.fold(sequel and sequel.status, event, version)
    if sequel is None:
        return Sequel.of_valid(status=now, version=version)
    if now is sequel.status:
        return sequel
    return sequel.but(**_changes(sequel, now, event), status=now, version=version)


def _changes(  # noqa: C901, PLR0911 - one case per event
    sequel: Sequel, now: InvoiceStatus, event: AnyInvoiceEvent
) -> _Changes:
    match event:
        case ReturnRequested():
            return {"return_": _requested(now, event)}
        case RedFontFormConfirmed():
            return _return(sequel, now, form=event.form)
        case ReturnRefused():
            return _return(sequel, now, form=_refused_form(sequel.return_ and sequel.return_.form, event))
        case CreditNoteIssued():
            return _return(sequel, now) | {"credit_note": _credit_note(event)}
        case ReversalAttemptFailed() | ReturnDeadlineRevised() | ReturnOverdue() | InvoiceReturned():
            return _return(sequel, now)
        case ReissueRequested():
            return {"reissues": (*sequel.reissues, _reissue(event))}
        case ReissueRefused():
            return _close(sequel, event.reissue_id, event.sealed, state="refused", reason=event.reason)
        case ReplacementIssued():
            closed = _close(
                sequel, event.reissue_id, None, state="replaced", replacement_number=event.replacement_number
            )
            return closed | {"replacements": (*sequel.replacements, _replacement(event))}
        case PersonalDataErased():
            return {"erased": _erasure(event)}
        case InvoiceIssued() | PostingStatusChanged():
            return {}
        case _:
            assert_never(event)


def _requested(now: InvoiceStatus, event: ReturnRequested) -> ReturnDetails:
    form = NamedForm.of_valid(number=event.red_font_form_number) if event.red_font_form_number else None
    return ReturnDetails.of_valid(
        **_progress(now),
        reason=event.reason,
        remarks=event.remarks,
        requested_by=event.requested_by,
        form=form,
        sealed=event.sealed,
    )


def _return(sequel: Sequel, now: InvoiceStatus, **fields: object) -> _Changes:
    """Update the return. Its progress is always that of the status document."""
    return {"return_": sequel.return_ and sequel.return_.but(**_progress(now), **fields)}


def _progress(now: InvoiceStatus) -> _Changes:
    return vars(now.return_) if now.return_ else {}


def _refused_form(form: RedFontForm | NamedForm | None, event: ReturnRefused) -> RedFontForm | NamedForm | None:
    """Return the form as it is after the refusal; a refusal for another reason names no form."""
    if event.form_number is None:
        return form
    if form is None or form.number != event.form_number:
        return NamedForm.of_valid(number=event.form_number, state=event.form_state)
    return form if event.form_state is None else form.but(state=event.form_state)


def _credit_note(event: CreditNoteIssued) -> CreditNote:
    return CreditNote.of_valid(
        credit_note_number=event.credit_note_number,
        issued_on=event.issued_on,
        form_number=event.form_number,
        net_amount=event.net_amount,
        tax_amount=event.tax_amount,
        documents=event.documents,
        sealed=event.sealed,
    )


def _reissue(event: ReissueRequested) -> Reissue:
    return Reissue.of_valid(
        reissue_id=event.reissue_id,
        state="open",
        charge_ids=event.charge_ids,
        amount=event.amount,
        kind=event.kind,
        buyer=event.buyer,
        remarks=event.remarks,
        requested_by=event.requested_by,
        requested_at=event.occurred_at,
        sealed=(event.sealed,) if event.sealed else None,
    )


def _close(sequel: Sequel, reissue_id: str, sealed: str | None, **fields: object) -> _Changes:
    """Close a reissue. sealed: the texts among the fields."""

    def closed(reissue: Reissue) -> Reissue:
        also = (*(reissue.sealed or ()), sealed) if sealed else reissue.sealed
        return reissue.but(**fields, sealed=also)

    return {
        "reissues": tuple(
            closed(reissue) if reissue.reissue_id == reissue_id else reissue for reissue in sequel.reissues
        )
    }


def _erasure(event: PersonalDataErased) -> Erasure:
    return Erasure.of_valid(reason=event.reason, requested_by=event.requested_by, at=event.occurred_at)


def _replacement(event: ReplacementIssued) -> Replacement:
    return Replacement.of_valid(
        reissue_id=event.reissue_id, replacement_number=event.replacement_number, charge_ids=event.charge_ids
    )
