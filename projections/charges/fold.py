"""Events -> the charges of an invoice. Of several invoices with the same charge, the query says which counts."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, NamedTuple, assert_never

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
from projections.engine.items import folding

_State = Literal["invoiced", "released", "reissue_pending", "replaced"]
"""replaced: the charge has moved to another invoice, whose row shows its state from then on."""


class ChargeItem(NamedTuple):
    """A charge on one invoice. amount: as published. released_at: when the invoice was reversed."""

    charge_id: str
    amount: str
    state: _State
    reissue_id: str | None
    released_at: datetime | None


_Charges = Mapping[str, ChargeItem]


def changes(charges: _Charges, event: AnyInvoiceEvent) -> _Charges:
    """Return the charges that an event changes."""
    match event:
        case InvoiceIssued():
            return {
                one.charge_id: ChargeItem(one.charge_id, str(one.amount), "invoiced", None, None)
                for one in event.charges
            }
        case CreditNoteIssued():
            at = event.occurred_at
            return {key: charges[key]._replace(state="released", released_at=at) for key in event.released_charge_ids}
        case ReissueRequested():
            return _now(charges, event.charge_ids, "reissue_pending", event.reissue_id)
        case ReissueRefused():
            return _now(charges, event.charge_ids, "released", None)
        case ReplacementIssued():
            return _now(charges, event.charge_ids, "replaced", event.reissue_id)
        case (
            PostingStatusChanged()
            | ReturnRequested()
            | RedFontFormConfirmed()
            | ReversalAttemptFailed()
            | InvoiceReturned()
            | ReturnRefused()
            | ReturnDeadlineRevised()
            | ReturnOverdue()
            | PersonalDataErased()
        ):
            return {}
        case _:
            assert_never(event)


def _now(charges: _Charges, charge_ids: Iterable[str], state: _State, reissue_id: str | None) -> _Charges:
    return {key: charges[key]._replace(state=state, reissue_id=reissue_id) for key in charge_ids}


fold = folding(changes)
