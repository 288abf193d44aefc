"""For every code of the rules the shortest story that ends in it, as commands."""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from events.catalogue import COMMAND_TYPES, json_of, name_of
from events.commands import AnyCommand
from events.invoice_events import AnyInvoiceEvent, ReissueRequested, ReturnRefused, ReturnRequested
from events.values import Buyer
from tests.service.support.orders import (
    NUMBER,
    OTHER_FORM,
    OTHER_NUMBER,
    amend,
    ask_return,
    ask_simply,
    cancel,
    charge,
    complete,
    confirm,
    credit,
    fail,
    link,
    observe,
    overdue,
    refuse_reissue,
    register,
    reissue,
    reject,
    replaces,
    revise,
)

RETURN, REISSUE = "$return", "$reissue"
"""Stand for the ids of the return and the reissue that the story has led to."""
_DOCUMENT = re.compile(r"(?<![0-9])([0-9]{6})[0-9]{4}([0-9]{10})(?![0-9])")
_CHARGE = re.compile(r'"(c[0-9])"')


@dataclass(frozen=True)
class Story:
    """Commands that are accepted, and the last one, which gets the code or ends the return with it."""

    given: tuple[AnyCommand, ...]
    when: AnyCommand

    def about(self, index: int) -> "Story":
        """Return the same story about invoices, forms and charges of its own."""
        return replace(
            self, given=tuple(_about(command, index) for command in self.given), when=_about(self.when, index)
        )


def filled(command: AnyCommand, ids: dict[str, str]) -> AnyCommand:
    """Fill in the ids that the commands before have led to."""
    body = json_of(command).decode()
    for stands_for, id_ in ids.items():
        body = body.replace(stands_for, id_)
    return COMMAND_TYPES[name_of(type(command))].model_validate_json(body)


def _about(command: AnyCommand, index: int) -> AnyCommand:
    body = _DOCUMENT.sub(rf"\g<1>{index:04d}\g<2>", json_of(command).decode())
    return COMMAND_TYPES[name_of(type(command))].model_validate_json(_CHARGE.sub(rf'"\1 of {index}"', body))


ISSUED = (register(), observe())
OPEN = (*ISSUED, ask_return())
CONFIRMED = (*OPEN, confirm())
REVERSED = (*CONFIRMED, credit())
HELD = (*REVERSED, reissue("c1"))
SIMPLE = (register(kind="general"), ask_simply())
OTHER = (register(OTHER_NUMBER, charges=("c2",)), observe(number=OTHER_NUMBER))
TWO_CENTS: dict[str, Any] = {"net_amount": Decimal("-99.98")}

REFUSALS: dict[str, Story] = {
    "INVOICE_NOT_FOUND": Story(ISSUED, ask_return(account_id="another")),
    "INVOICE_ALREADY_REGISTERED": Story(ISSUED, register()),
    "NUMBER_YEAR_MISMATCH": Story((), register(issued_on="2025-12-31")),
    "ISSUED_ON_IMPLAUSIBLE": Story((), register(issued_on="2126-02-01")),
    "BUYER_TAX_ID_REQUIRED": Story((), register(buyer=Buyer(name="王"))),
    "AMOUNTS_DO_NOT_ADD_UP": Story((), register(total_amount=Decimal("106.01"))),
    "REISSUE_NOT_FOUND": Story(REVERSED, register(OTHER_NUMBER, replaces=replaces(NUMBER, "never asked for"))),
    "REISSUE_CHARGES_MISMATCH": Story(
        HELD, register(OTHER_NUMBER, charges=("c1", "c2"), replaces=replaces(NUMBER, REISSUE))
    ),
    "CHARGE_ALREADY_INVOICED": Story(ISSUED, register(OTHER_NUMBER)),
    "CHARGE_OF_ANOTHER_ACCOUNT": Story(REVERSED, register(OTHER_NUMBER, account_id="another")),
    "OBSERVATION_IN_FUTURE": Story(ISSUED, observe("not_recorded", observed_at="2999-01-01T00:00:00Z")),
    "STALE_OBSERVATION": Story(ISSUED, observe("not_recorded", observed_at="2026-02-12T00:00:00Z")),
    "RETURN_ALREADY_IN_PROGRESS": Story(OPEN, ask_return()),
    "INVOICE_ALREADY_REVERSED": Story(REVERSED, ask_return()),
    "RETURN_CANNOT_BE_CANCELLED": Story(OPEN, cancel()),
    "NO_RETURN_IN_PROGRESS": Story(ISSUED, confirm()),
    "ISSUED_INVOICE_IMMUTABLE": Story(ISSUED, amend()),
    "POSTING_STATUS_UNKNOWN": Story((register(),), ask_return()),
    "POSTING_STATUS_MISMATCH": Story(ISSUED, ask_return(posting_status="not_recorded")),
    "RED_FONT_FORM_NUMBER_REQUIRED": Story(ISSUED, ask_return(red_font_form_number="")),
    "RED_FONT_FORM_NUMBER_MALFORMED": Story(ISSUED, ask_return(red_font_form_number="33")),
    "RED_FONT_FORM_NOT_EXPECTED": Story((register(), observe("not_recorded")), ask_return()),
    "RETURN_REASON_REQUIRED": Story(ISSUED, ask_return(reason=None)),
    "REMARKS_MISSING_ORIGINAL_NUMBER": Story(ISSUED, ask_return(remarks=f"{NUMBER}0")),
    "REMARKS_TOO_LONG": Story(ISSUED, ask_return(remarks=NUMBER + "冲" * 363)),
    "RED_FONT_FORM_ALREADY_USED": Story((*OPEN, *OTHER), ask_return(OTHER_NUMBER)),
    "RED_FONT_FORM_ALREADY_CONFIRMED": Story(CONFIRMED, confirm(number=OTHER_FORM)),
    "RED_FONT_FORM_NUMBER_MISMATCH": Story(OPEN, confirm(number=OTHER_FORM)),
    "CREDIT_NOTE_BEFORE_CONFIRMATION": Story(OPEN, credit()),
    "CREDIT_NOTE_NUMBER_MISMATCH": Story(CONFIRMED, credit(credit_note_number=NUMBER)),
    "CREDIT_NOTE_DATE_IMPLAUSIBLE": Story(CONFIRMED, credit(issued_on="2026-01-31")),
    "CREDIT_NOTE_AMOUNT_MISMATCH": Story(CONFIRMED, credit(**TWO_CENTS)),
    "RETURN_NOT_REVERSED": Story(CONFIRMED, complete()),
    "RETURN_NOT_OVERDUE": Story(OPEN, overdue(RETURN)),
    "ORIGINAL_NOT_RETURNED": Story(ISSUED, reissue("c1")),
    "ORIGINAL_RETURN_NOT_COMPLETE": Story(CONFIRMED, reissue("c1")),
    "NO_CHARGES_SELECTED": Story(REVERSED, reissue()),
    "CHARGE_NOT_ON_ORIGINAL": Story(REVERSED, reissue("c1", "c2")),
    "CHARGE_ALREADY_REINVOICED": Story(HELD, reissue("c1")),
    "NOTHING_TO_INVOICE": Story(
        (
            register(
                charges=(charge("c1", "212.00"), charge("c2", "-106.00")),
                net_amount=Decimal("100.00"),
                tax_amount=Decimal("6.00"),
                total_amount=Decimal("106.00"),
            ),
            *REVERSED[1:],
        ),
        reissue("c2"),
    ),
}
"""The last command is refused with the code."""

_STATES = {
    "RED_FONT_FORM_AWAITING_BUYER": "02",
    "RED_FONT_FORM_AWAITING_SELLER": "03",
    "RED_FONT_FORM_REJECTED": "05",
    "RED_FONT_FORM_EXPIRED": "07",
    "RED_FONT_FORM_REVOKED": "08",
    "RED_FONT_FORM_VOID": "10",
    "RED_FONT_FORM_STATE_UNKNOWN": "99",
}
ENDS: dict[str, Story] = {
    "RED_FONT_FORM_NOT_FOUND": Story(OPEN, reject()),
    "RED_FONT_FORM_FOR_OTHER_INVOICE": Story(OPEN, confirm(about=OTHER_NUMBER)),
    "RED_FONT_FORM_KIND_MISMATCH": Story(OPEN, confirm(kind="general")),
    "RED_FONT_FORM_PARTY_MISMATCH": Story(OPEN, confirm(buyer_tax_id=None)),
    "RED_FONT_FORM_AMOUNT_MISMATCH": Story(OPEN, confirm(**TWO_CENTS)),
    "RED_FONT_FORM_REASON_NOT_ALLOWED": Story(OPEN, confirm(reason_code="02")),
    **{code: Story(OPEN, confirm(state=state)) for code, state in _STATES.items()},
    "POSTING_STATUS_CHANGED": Story(SIMPLE, confirm(kind="general", state="02")),
    "RED_FONT_FORM_ALREADY_USED": Story(
        (*OPEN, register(OTHER_NUMBER, kind="general", charges=("c2",)), ask_simply(OTHER_NUMBER)),
        confirm(OTHER_NUMBER, kind="general"),
    ),
    "PLATFORM_BUSY": Story(CONFIRMED, fail(RETURN, permanent=True)),
}
"""The last command is accepted and ends the return with the code; the last one is the platform's own."""

ACCEPTED: dict[str, Story] = {
    "InvoiceIssued": Story((*HELD,), register(OTHER_NUMBER, replaces=replaces(NUMBER, REISSUE))),
    "PostingStatusChanged": Story(ISSUED, observe("not_recorded", observed_at="2026-02-13T01:30:00Z")),
    "ReturnRequested": Story(ISSUED, ask_return()),
    "RedFontFormConfirmed": Story(OPEN, confirm(return_id=RETURN)),
    "ReversalAttemptFailed": Story(OPEN, fail(RETURN)),
    "ReturnDeadlineRevised": Story(OPEN, revise(RETURN)),
    "CreditNoteIssued": Story(CONFIRMED, credit(return_id=RETURN)),
    "InvoiceReturned": Story(REVERSED, complete()),
    "ReissueRequested": Story((*REVERSED, complete()), reissue("c1")),
    "ReissueRefused": Story(HELD, refuse_reissue(REISSUE)),
    "ReplacementIssued": Story((*HELD, register(OTHER_NUMBER, replaces=replaces(NUMBER, REISSUE))), link(REISSUE)),
}
"""The last command is accepted and leads to the event."""


STORIES = {
    **{f"{code} refuses": (code, story) for code, story in REFUSALS.items()},
    **{f"{code} ends": (code, story) for code, story in ENDS.items()},
    **{f"{name} happens": (name, story) for name, story in ACCEPTED.items()},
}


def ids_of(events: tuple[AnyInvoiceEvent, ...]) -> dict[str, str]:
    """Return what the ids of a story stand for after these events."""
    found: dict[str, str] = {}
    for event in events:
        if isinstance(event, ReturnRequested):
            found[RETURN] = event.return_id
        if isinstance(event, ReissueRequested):
            found[REISSUE] = event.reissue_id
    return found


def outcome(events: tuple[AnyInvoiceEvent, ...]) -> str:
    """Return the code that a return ended with, or the name of the last event."""
    event = events[-1]
    return event.code if isinstance(event, ReturnRefused) else type(event).__name__
