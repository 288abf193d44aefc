"""For every code of the rules the shortest story that ends in it, as commands."""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from events.catalogue import COMMAND_TYPES, json_of, name_of
from events.commands import AnyCommand
from events.invoice_events import AnyInvoiceEvent, ReissueRequested, ReturnRefused, ReturnRequested
from events.values import Buyer
from tests.service.support import orders

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


ISSUED = (orders.register(), orders.observe())
OPEN = (*ISSUED, orders.ask_return())
CONFIRMED = (*OPEN, orders.confirm())
REVERSED = (*CONFIRMED, orders.credit())
HELD = (*REVERSED, orders.reissue("c1"))
SIMPLE = (orders.register(kind="general"), orders.ask_simply())
OTHER = (orders.register(orders.OTHER_NUMBER, charges=("c2",)), orders.observe(number=orders.OTHER_NUMBER))
TWO_CENTS: dict[str, Any] = {"net_amount": Decimal("-99.98")}

REFUSALS: dict[str, Story] = {
    "INVOICE_NOT_FOUND": Story(ISSUED, orders.ask_return(account_id="another")),
    "INVOICE_ALREADY_REGISTERED": Story(ISSUED, orders.register()),
    "NUMBER_YEAR_MISMATCH": Story((), orders.register(issued_on="2025-12-31")),
    "ISSUED_ON_IMPLAUSIBLE": Story((), orders.register(issued_on="2126-02-01")),
    "BUYER_TAX_ID_REQUIRED": Story((), orders.register(buyer=Buyer(name="王"))),
    "AMOUNTS_DO_NOT_ADD_UP": Story((), orders.register(total_amount=Decimal("106.01"))),
    "REISSUE_NOT_FOUND": Story(
        REVERSED, orders.register(orders.OTHER_NUMBER, replaces=orders.replaces(orders.NUMBER, "never asked for"))
    ),
    "REISSUE_CHARGES_MISMATCH": Story(
        HELD,
        orders.register(orders.OTHER_NUMBER, charges=("c1", "c2"), replaces=orders.replaces(orders.NUMBER, REISSUE)),
    ),
    "CHARGE_ALREADY_INVOICED": Story(ISSUED, orders.register(orders.OTHER_NUMBER)),
    "CHARGE_OF_ANOTHER_ACCOUNT": Story(REVERSED, orders.register(orders.OTHER_NUMBER, account_id="another")),
    "OBSERVATION_IN_FUTURE": Story(ISSUED, orders.observe("not_recorded", observed_at="2999-01-01T00:00:00Z")),
    "STALE_OBSERVATION": Story(ISSUED, orders.observe("not_recorded", observed_at="2026-02-12T00:00:00Z")),
    "RETURN_ALREADY_IN_PROGRESS": Story(OPEN, orders.ask_return()),
    "INVOICE_ALREADY_REVERSED": Story(REVERSED, orders.ask_return()),
    "RETURN_CANNOT_BE_CANCELLED": Story(OPEN, orders.cancel()),
    "NO_RETURN_IN_PROGRESS": Story(ISSUED, orders.confirm()),
    "ISSUED_INVOICE_IMMUTABLE": Story(ISSUED, orders.amend()),
    "POSTING_STATUS_UNKNOWN": Story((orders.register(),), orders.ask_return()),
    "POSTING_STATUS_MISMATCH": Story(ISSUED, orders.ask_return(posting_status="not_recorded")),
    "RED_FONT_FORM_NUMBER_REQUIRED": Story(ISSUED, orders.ask_return(red_font_form_number="")),
    "RED_FONT_FORM_NUMBER_MALFORMED": Story(ISSUED, orders.ask_return(red_font_form_number="33")),
    "RED_FONT_FORM_NOT_EXPECTED": Story((orders.register(), orders.observe("not_recorded")), orders.ask_return()),
    "RETURN_REASON_REQUIRED": Story(ISSUED, orders.ask_return(reason=None)),
    "REMARKS_MISSING_ORIGINAL_NUMBER": Story(ISSUED, orders.ask_return(remarks=f"{orders.NUMBER}0")),
    "REMARKS_TOO_LONG": Story(ISSUED, orders.ask_return(remarks=orders.NUMBER + "冲" * 363)),
    "RED_FONT_FORM_ALREADY_USED": Story((*OPEN, *OTHER), orders.ask_return(orders.OTHER_NUMBER)),
    "RED_FONT_FORM_ALREADY_CONFIRMED": Story(CONFIRMED, orders.confirm(number=orders.OTHER_FORM)),
    "RED_FONT_FORM_NUMBER_MISMATCH": Story(OPEN, orders.confirm(number=orders.OTHER_FORM)),
    "CREDIT_NOTE_BEFORE_CONFIRMATION": Story(OPEN, orders.credit()),
    "CREDIT_NOTE_NUMBER_MISMATCH": Story(CONFIRMED, orders.credit(credit_note_number=orders.NUMBER)),
    "CREDIT_NOTE_DATE_IMPLAUSIBLE": Story(CONFIRMED, orders.credit(issued_on="2026-01-31")),
    "CREDIT_NOTE_AMOUNT_MISMATCH": Story(CONFIRMED, orders.credit(**TWO_CENTS)),
    "RETURN_NOT_REVERSED": Story(CONFIRMED, orders.complete()),
    "RETURN_NOT_OVERDUE": Story(OPEN, orders.overdue(RETURN)),
    "INVOICE_NOT_SEALED": Story(ISSUED, orders.erase()),
    "ORIGINAL_NOT_RETURNED": Story(ISSUED, orders.reissue("c1")),
    "ORIGINAL_RETURN_NOT_COMPLETE": Story(CONFIRMED, orders.reissue("c1")),
    "NO_CHARGES_SELECTED": Story(REVERSED, orders.reissue()),
    "CHARGE_NOT_ON_ORIGINAL": Story(REVERSED, orders.reissue("c1", "c2")),
    "CHARGE_ALREADY_REINVOICED": Story(HELD, orders.reissue("c1")),
    "NOTHING_TO_INVOICE": Story(
        (
            orders.register(
                charges=(orders.charge("c1", "212.00"), orders.charge("c2", "-106.00")),
                net_amount=Decimal("100.00"),
                tax_amount=Decimal("6.00"),
                total_amount=Decimal("106.00"),
            ),
            *REVERSED[1:],
        ),
        orders.reissue("c2"),
    ),
}
"""The last command is refused with the code."""
WITH_SEALING = frozenset({"INVOICE_ERASED", "RETENTION_NOT_OVER", "PersonalDataErased"})
"""What only sealed invoices come to: tests/service/invoice/test_erasure.py."""

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
    "RED_FONT_FORM_NOT_FOUND": Story(OPEN, orders.reject()),
    "RED_FONT_FORM_FOR_OTHER_INVOICE": Story(OPEN, orders.confirm(about=orders.OTHER_NUMBER)),
    "RED_FONT_FORM_KIND_MISMATCH": Story(OPEN, orders.confirm(kind="general")),
    "RED_FONT_FORM_PARTY_MISMATCH": Story(OPEN, orders.confirm(buyer_tax_id=None)),
    "RED_FONT_FORM_AMOUNT_MISMATCH": Story(OPEN, orders.confirm(**TWO_CENTS)),
    "RED_FONT_FORM_REASON_NOT_ALLOWED": Story(OPEN, orders.confirm(reason_code="02")),
    **{code: Story(OPEN, orders.confirm(state=state)) for code, state in _STATES.items()},
    "POSTING_STATUS_CHANGED": Story(SIMPLE, orders.confirm(kind="general", state="02")),
    "RED_FONT_FORM_ALREADY_USED": Story(
        (
            *OPEN,
            orders.register(orders.OTHER_NUMBER, kind="general", charges=("c2",)),
            orders.ask_simply(orders.OTHER_NUMBER),
        ),
        orders.confirm(orders.OTHER_NUMBER, kind="general"),
    ),
    "PLATFORM_BUSY": Story(CONFIRMED, orders.fail(RETURN, permanent=True)),
}
"""The last command is accepted and ends the return with the code; the last one is the platform's own."""

ACCEPTED: dict[str, Story] = {
    "InvoiceIssued": Story(
        (*HELD,), orders.register(orders.OTHER_NUMBER, replaces=orders.replaces(orders.NUMBER, REISSUE))
    ),
    "PostingStatusChanged": Story(ISSUED, orders.observe("not_recorded", observed_at="2026-02-13T01:30:00Z")),
    "ReturnRequested": Story(ISSUED, orders.ask_return()),
    "RedFontFormConfirmed": Story(OPEN, orders.confirm(return_id=RETURN)),
    "ReversalAttemptFailed": Story(OPEN, orders.fail(RETURN)),
    "ReturnDeadlineRevised": Story(OPEN, orders.revise(RETURN)),
    "CreditNoteIssued": Story(CONFIRMED, orders.credit(return_id=RETURN)),
    "InvoiceReturned": Story(REVERSED, orders.complete()),
    "ReissueRequested": Story((*REVERSED, orders.complete()), orders.reissue("c1")),
    "ReissueRefused": Story(HELD, orders.refuse_reissue(REISSUE)),
    "ReplacementIssued": Story(
        (*HELD, orders.register(orders.OTHER_NUMBER, replaces=orders.replaces(orders.NUMBER, REISSUE))),
        orders.link(REISSUE),
    ),
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
