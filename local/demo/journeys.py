"""The journeys of an invoice: how it is returned, refused, reversed and reissued. The demo plays all, `trigger` one."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from local.demo.stage import Servers, Stage, connected_stage

_BILLING, _TAX, _CUSTOMER = "billing", "the tax connector", "the customer"
_OWN: Mapping[str, Any] = {"account_id": "demo-account"}
_COMPLETE: Mapping[str, Any] = {"return_complete": True, "original_void": True}
_SERIAL_DIGITS = 12


class Case(NamedTuple):
    """The numbers of one journey. serial: 12 digits that no other journey on the same system has.

    ending: the last 6 digits of the invoice number, by which the tax simulator chooses what happens.
    """

    serial: str
    ending: str = "000001"

    @property
    def number(self) -> str:
        """The invoice number."""
        return f"{datetime.now(UTC):%y}{self.serial}{self.ending}"

    @property
    def replacement(self) -> str:
        """The number of the invoice that replaces it."""
        return f"{datetime.now(UTC):%y}{self.serial}000002"

    @property
    def charge(self) -> str:
        """The id of its one charge."""
        return f"demo-charge-{self.serial}"

    def form(self, index: int) -> str:
        """Return the number of a red-font form."""
        return f"33{self.serial}{index:06d}"


def _invoice(kind: str, charge: str) -> Mapping[str, Any]:
    return {
        **_OWN,
        "kind": kind,
        "issued_on": f"{datetime.now(UTC):%Y-%m-%d}",
        "seller": {"name": "Cloud Company", "tax_id": "91330106MA2CFLDG4R"},
        "buyer": {"name": "Example Ltd.", "tax_id": "91110108551385082Q"},
        "net_amount": "100.00",
        "tax_amount": "6.00",
        "total_amount": "106.00",
        "charges": [{"charge_id": charge, "amount": "106.00"}],
    }


def _by_form(case: Case, index: int) -> Mapping[str, Any]:
    facts = {"red_font_form_number": case.form(index), "reason": "wrong_amount"}
    return {**_OWN, **facts, "remarks": f"original invoice {case.number}"}


def _recorded_now() -> Mapping[str, Any]:
    return {"posting_status": "recorded", "observed_at": datetime.now(UTC).isoformat()}


async def _recorded_invoice(stage: Stage, case: Case) -> None:
    await stage.send(_BILLING, "RegisterInvoice", case.number, **_invoice("special", case.charge))
    await stage.send(_TAX, "RecordPostingStatus", case.number, **_recorded_now())


async def simple_route(stage: Stage, case: Case) -> None:
    """Return a general invoice without form, reason and remarks. It cannot be amended, and not be returned twice."""
    stage.say("A general electronic invoice is returned (simple route)")
    await stage.send(_BILLING, "RegisterInvoice", case.number, **_invoice("general", case.charge))
    await stage.reaches(case.number, "issued", return_complete=False)
    await stage.send(_CUSTOMER, "AmendInvoice", case.number, refused="ISSUED_INVOICE_IMMUTABLE", **_OWN, changes={})
    await stage.send(_CUSTOMER, "RequestReturn", case.number, **_OWN)
    await stage.reaches(case.number, "returned", **_COMPLETE)
    await stage.send(_CUSTOMER, "RequestReturn", case.number, refused="INVOICE_ALREADY_REVERSED", **_OWN)


async def form_route(stage: Stage, case: Case) -> None:
    """Return a recorded special invoice: the buyer's form exists first, and the request names it."""
    stage.say("A recorded special VAT invoice is returned (form route)")
    await stage.send(_BILLING, "RegisterInvoice", case.number, **_invoice("special", case.charge))
    await stage.send(_CUSTOMER, "RequestReturn", case.number, refused="POSTING_STATUS_UNKNOWN", **_OWN)
    await stage.send(_TAX, "RecordPostingStatus", case.number, **_recorded_now())
    await stage.send(_CUSTOMER, "RequestReturn", case.number, refused="RED_FONT_FORM_NUMBER_REQUIRED", **_OWN)
    await stage.send(_CUSTOMER, "RequestReturn", case.number, **_by_form(case, 1))
    await stage.reaches(case.number, "returned", **_COMPLETE)


async def expired_form(stage: Stage, case: Case) -> None:
    """Have a form refused by the tax platform, as the invoice number demands, and return the invoice with a new one."""
    stage.say("A form has expired: the return is refused, and succeeds with a new form")
    await _recorded_invoice(stage, case)
    await stage.send(_CUSTOMER, "RequestReturn", case.number, **_by_form(case, 1))
    await stage.refused(case.number, "RED_FONT_FORM_EXPIRED")
    await stage.send(_CUSTOMER, "RequestReturn", case.number, **_by_form(case, 2))
    await stage.reaches(case.number, "returned", last_refusal=None, **_COMPLETE)


async def no_way_back(stage: Stage, case: Case) -> None:
    """Try to cancel a return, and to amend its invoice, while the tax platform delays its answers."""
    stage.say("A submitted return can be neither cancelled nor amended")
    await _recorded_invoice(stage, case)
    await stage.send(_CUSTOMER, "RequestReturn", case.number, **_by_form(case, 1))
    await stage.send(_CUSTOMER, "CancelReturn", case.number, refused="RETURN_CANNOT_BE_CANCELLED", **_OWN)
    await stage.send(_CUSTOMER, "AmendInvoice", case.number, refused="ISSUED_INVOICE_IMMUTABLE", **_OWN, changes={})
    await stage.reaches(case.number, "return_in_progress", return_complete=False)


async def reissue(stage: Stage, case: Case) -> None:
    """Return an invoice, ask for a new one for its charges, and issue that."""
    await simple_route(stage, case)
    stage.say("The charges of the returned invoice are put on a new invoice")
    wanted: dict[str, Any] = {"charge_ids": [case.charge], "buyer": {"name": "The Right Name Ltd."}}
    reply = await stage.send(_CUSTOMER, "RequestReissue", case.number, **_OWN, **wanted)
    asked = await stage.event_of(reply)
    new: dict[str, Any] = {
        **_invoice(asked["kind"], *asked["charge_ids"]),
        "buyer": asked["buyer"],
        "replaces": {"invoice_number": case.number, "reissue_id": asked["reissue_id"]},
    }
    await stage.send(_BILLING, "RegisterInvoice", case.replacement, **new)
    await stage.reaches(case.number, "returned", replacement_numbers=[case.replacement], **_COMPLETE)
    stage.say(f"    {case.number}  is replaced by {case.replacement}")
    await stage.reaches(case.replacement, "issued", return_complete=False)


class Journey(NamedTuple):
    """A journey, and the ending of the invoice number that makes the tax simulator play its part."""

    play: Callable[[Stage, Case], Awaitable[None]]
    ending: str = "000001"


JOURNEYS: Mapping[str, Journey] = {
    "return.simple": Journey(simple_route),
    "return.form": Journey(form_route),
    "return.expired-form": Journey(expired_form, "999907"),
    "return.slow": Journey(no_way_back, "999941"),
    "reissue": Journey(reissue),
}
"""By name: what `redletter trigger` plays."""
_DEMO = ("return.form", "return.expired-form", "return.slow", "reissue")
"""The last one returns an invoice by the simple route first."""


async def journeys(servers: Servers, say: Callable[[str], None]) -> None:
    """Play the demo. Raises: JourneyFailed at the first difference from what is expected."""
    for name in _DEMO:
        await play_one(name, servers, say)


async def play_one(name: str, servers: Servers, say: Callable[[str], None]) -> None:
    """Play one of `JOURNEYS` with numbers that are new on any system. Raises: JourneyFailed, KafkaError."""
    journey = JOURNEYS[name]
    serial = f"{secrets.randbelow(10**_SERIAL_DIGITS):0{_SERIAL_DIGITS}d}"
    async with connected_stage(servers, say) as stage:
        await journey.play(stage, Case(serial, journey.ending))
