"""The journeys of the demo: how an invoice is returned, refused, reversed and reissued."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from local.demo.stage import Stage, connected_stage

_BILLING, _TAX, _CUSTOMER = "billing", "the tax connector", "the customer"
_FORMS = [f"3300002611000000000{index}" for index in range(1, 5)]
_OWN: Mapping[str, Any] = {"account_id": "demo-account"}
_COMPLETE: Mapping[str, Any] = {"return_complete": True, "original_void": True}


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


def _by_form(number: str, form: str) -> Mapping[str, Any]:
    return {**_OWN, "red_font_form_number": form, "reason": "wrong_amount", "remarks": f"original invoice {number}"}


async def _recorded_invoice(stage: Stage, number: str, charge: str) -> None:
    await stage.send(_BILLING, "RegisterInvoice", number, **_invoice("special", charge))
    observed: dict[str, Any] = {"posting_status": "recorded", "observed_at": datetime.now(UTC).isoformat()}
    await stage.send(_TAX, "RecordPostingStatus", number, **observed)


async def simple_route(stage: Stage, number: str) -> None:
    """Return a general invoice without form, reason and remarks. It cannot be amended, and not be returned twice."""
    stage.say("1. A general electronic invoice is returned (simple route)")
    await stage.send(_BILLING, "RegisterInvoice", number, **_invoice("general", "demo-charge-1"))
    await stage.reaches(number, "issued", return_complete=False)
    await stage.send(_CUSTOMER, "AmendInvoice", number, refused="ISSUED_INVOICE_IMMUTABLE", **_OWN, changes={})
    await stage.send(_CUSTOMER, "RequestReturn", number, **_OWN)
    await stage.reaches(number, "returned", **_COMPLETE)
    await stage.send(_CUSTOMER, "RequestReturn", number, refused="INVOICE_ALREADY_REVERSED", **_OWN)


async def form_route(stage: Stage, number: str) -> None:
    """Return a recorded special invoice: the buyer's form exists first, and the request names it."""
    stage.say("2. A recorded special VAT invoice is returned (form route)")
    await stage.send(_BILLING, "RegisterInvoice", number, **_invoice("special", "demo-charge-2"))
    await stage.send(_CUSTOMER, "RequestReturn", number, refused="POSTING_STATUS_UNKNOWN", **_OWN)
    observed: dict[str, Any] = {"posting_status": "recorded", "observed_at": datetime.now(UTC).isoformat()}
    await stage.send(_TAX, "RecordPostingStatus", number, **observed)
    await stage.send(_CUSTOMER, "RequestReturn", number, refused="RED_FONT_FORM_NUMBER_REQUIRED", **_OWN)
    await stage.send(_CUSTOMER, "RequestReturn", number, **_by_form(number, _FORMS[0]))
    await stage.reaches(number, "returned", **_COMPLETE)


async def refused_form(stage: Stage, number: str) -> None:
    """Have a form refused by the tax platform, as the invoice number demands, and return the invoice with a new one."""
    stage.say("3. A form has expired: the return is refused, and succeeds with a new form")
    await _recorded_invoice(stage, number, "demo-charge-3")
    await stage.send(_CUSTOMER, "RequestReturn", number, **_by_form(number, _FORMS[1]))
    await stage.refused(number, "RED_FONT_FORM_EXPIRED")
    await stage.send(_CUSTOMER, "RequestReturn", number, **_by_form(number, _FORMS[2]))
    await stage.reaches(number, "returned", last_refusal=None, **_COMPLETE)


async def no_way_back(stage: Stage, number: str) -> None:
    """Try to cancel a return, and to amend its invoice, while the tax platform delays its answers."""
    stage.say("4. A submitted return can be neither cancelled nor amended")
    await _recorded_invoice(stage, number, "demo-charge-4")
    await stage.send(_CUSTOMER, "RequestReturn", number, **_by_form(number, _FORMS[3]))
    await stage.send(_CUSTOMER, "CancelReturn", number, refused="RETURN_CANNOT_BE_CANCELLED", **_OWN)
    await stage.send(_CUSTOMER, "AmendInvoice", number, refused="ISSUED_INVOICE_IMMUTABLE", **_OWN, changes={})
    await stage.reaches(number, "return_in_progress", return_complete=False)


async def reissue(stage: Stage, original: str, replacement: str) -> None:
    """Ask for a new invoice for the charges of a returned one, and issue it."""
    stage.say("5. The charges of the first invoice are put on a new invoice")
    wanted: dict[str, Any] = {"charge_ids": ["demo-charge-1"], "buyer": {"name": "The Right Name Ltd."}}
    reply = await stage.send(_CUSTOMER, "RequestReissue", original, **_OWN, **wanted)
    asked = await stage.event_of(reply)
    new: dict[str, Any] = {
        **_invoice(asked["kind"], *asked["charge_ids"]),
        "buyer": asked["buyer"],
        "replaces": {"invoice_number": original, "reissue_id": asked["reissue_id"]},
    }
    await stage.send(_BILLING, "RegisterInvoice", replacement, **new)
    await stage.reaches(original, "returned", replacement_numbers=[replacement], **_COMPLETE)
    stage.say(f"    {original}  is replaced by {replacement}")
    await stage.reaches(replacement, "issued", return_complete=False)


async def journeys(kafka: str, api: str, say: Callable[[str], None]) -> None:
    """Play every journey. Raises: JourneyFailed at the first difference from what is expected."""
    head = f"{datetime.now(UTC):%y}312000000000"
    async with connected_stage(kafka, api, say) as stage:
        await simple_route(stage, f"{head}000001")
        await form_route(stage, f"{head}000002")
        await refused_form(stage, f"{head}999907")
        await no_way_back(stage, f"{head}999941")
        await reissue(stage, f"{head}000001", f"{head}000005")
