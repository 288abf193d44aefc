"""The red-font form: one that fits continues the return, one that does not ends it and says why."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from events.invoice_events import (
    AnyInvoiceEvent,
    CreditNoteIssued,
    PostingStatusChanged,
    RedFontFormConfirmed,
    ReturnRefused,
    ReturnRequested,
)
from events.values import Buyer
from tests.service.support import orders
from tests.service.support.scenario import NOW, Scenario

FORM_ROUTE = (orders.register(), orders.observe(), orders.ask_return())
SIMPLE_ROUTE = (orders.register(), orders.observe("not_recorded"), orders.ask_simply())
ROUTES = pytest.mark.parametrize("given", [FORM_ROUTE, SIMPLE_ROUTE], ids=["form route", "simple route"])
SELLER, BUYER = "91330100000000000X", "91330100111111111X"


@ROUTES
@pytest.mark.parametrize("state", ["01", "04"])
@pytest.mark.parametrize("reason", ["01", "03", "04"])
def test_a_form_that_fits_is_confirmed(scenario: Scenario, given: Any, state: str, reason: str) -> None:
    scenario.given(*given).when(orders.confirm(return_id="id-3", state=state, reason_code=reason))
    scenario.then(
        RedFontFormConfirmed, occurred_at=NOW, return_id="id-3", form=orders.form(state=state, reason_code=reason)
    )


MISFITS: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"about": orders.OTHER_NUMBER}, "RED_FONT_FORM_FOR_OTHER_INVOICE", {"expected": orders.NUMBER}),
    ({"kind": "general"}, "RED_FONT_FORM_KIND_MISMATCH", {"expected": "special", "kind": "general"}),
    (
        {"seller_tax_id": "X1"},
        "RED_FONT_FORM_PARTY_MISMATCH",
        {
            "expected_seller_tax_id": SELLER,
            "seller_tax_id": "X1",
            "expected_buyer_tax_id": BUYER,
            "buyer_tax_id": BUYER,
        },
    ),
    (
        {"buyer_tax_id": None},
        "RED_FONT_FORM_PARTY_MISMATCH",
        {
            "expected_seller_tax_id": SELLER,
            "seller_tax_id": SELLER,
            "expected_buyer_tax_id": BUYER,
        },
    ),
    (
        {"net_amount": Decimal("-99.99")},
        "RED_FONT_FORM_AMOUNT_MISMATCH",
        {"expected_net": "-100.00", "expected_tax": "-6.00", "net": "-99.99", "tax": "-6.00"},
    ),
    (
        {"tax_amount": Decimal("6.00")},
        "RED_FONT_FORM_AMOUNT_MISMATCH",
        {"expected_net": "-100.00", "expected_tax": "-6.00", "net": "-100.00", "tax": "6.00"},
    ),
    *(
        (
            {"reason_code": code},
            "RED_FONT_FORM_REASON_NOT_ALLOWED",
            {"allowed": ["01", "03", "04"], "reason_code": code},
        )
        for code in ("02", "05", "")
    ),
    *(
        ({"state": state}, code, {"state": state})
        for state, code in (
            ("03", "RED_FONT_FORM_AWAITING_SELLER"),
            ("05", "RED_FONT_FORM_REJECTED"),
            ("06", "RED_FONT_FORM_REJECTED"),
            ("07", "RED_FONT_FORM_EXPIRED"),
            ("08", "RED_FONT_FORM_REVOKED"),
            ("09", "RED_FONT_FORM_REVOKED"),
            ("10", "RED_FONT_FORM_VOID"),
            ("11", "RED_FONT_FORM_VOID"),
            ("12", "RED_FONT_FORM_VOID"),
            ("13", "RED_FONT_FORM_VOID"),
            ("14", "RED_FONT_FORM_STATE_UNKNOWN"),
            ("1", "RED_FONT_FORM_STATE_UNKNOWN"),
        )
    ),
]


@ROUTES
@pytest.mark.parametrize(("but", "code", "details"), MISFITS)
def test_a_form_that_does_not_fit_ends_the_return(
    scenario: Scenario, given: Any, but: dict[str, Any], code: str, details: dict[str, Any]
) -> None:
    scenario.given(*given).when(orders.confirm(**but))
    scenario.then(
        ReturnRefused,
        return_id="id-3",
        code=code,
        details=details,
        form_number=orders.FORM,
        form_state=but.get("state", "04"),
    )
    (refused,) = accepted(scenario)
    assert isinstance(refused, ReturnRefused)
    assert refused.message
    assert "{" not in refused.message
    scenario.when(orders.confirm(**but)).then_refused("NO_RETURN_IN_PROGRESS")
    scenario.when(orders.ask_return() if given is FORM_ROUTE else orders.ask_simply()).then(ReturnRequested)


def test_a_form_that_waits_for_the_buyer_ends_the_return(scenario: Scenario) -> None:
    scenario.given(*FORM_ROUTE).when(orders.confirm(state="02"))
    scenario.then(ReturnRefused, code="RED_FONT_FORM_AWAITING_BUYER", details={"state": "02"})


ENTERED = datetime(2026, 2, 13, 1, 20, tzinfo=UTC)


def test_the_sellers_own_form_that_waits_for_the_buyer_shows_that_the_buyer_recorded_the_invoice(
    scenario: Scenario,
) -> None:
    scenario.given(*SIMPLE_ROUTE).when(orders.confirm(state="02", entered_at=ENTERED))
    changed, refused = accepted(scenario)
    assert isinstance(changed, PostingStatusChanged)
    assert (changed.previous, changed.posting_status, changed.observed_at) == ("not_recorded", "recorded", ENTERED)
    assert isinstance(refused, ReturnRefused)
    assert (refused.code, refused.details, refused.form_number) == (
        "POSTING_STATUS_CHANGED",
        {"state": "02"},
        orders.FORM,
    )
    assert "with its number" in refused.message
    scenario.when(orders.confirm(state="02")).then_refused("NO_RETURN_IN_PROGRESS")
    scenario.when(orders.ask_simply())
    scenario.then_refused_fields(
        "RED_FONT_FORM_NUMBER_REQUIRED", "RETURN_REASON_REQUIRED", "REMARKS_MISSING_ORIGINAL_NUMBER"
    )
    scenario.when(orders.ask_return()).then(ReturnRequested, route="form")
    scenario.given(orders.reject()).when(orders.observe("not_recorded", observed_at=ENTERED - timedelta(seconds=1)))
    scenario.then_refused("STALE_OBSERVATION", expected="recorded", last_observed_at=ENTERED.isoformat())


def test_what_is_on_record_already_did_not_change_and_the_next_return_may_choose_the_form_route(
    scenario: Scenario,
) -> None:
    scenario.given(orders.register(kind="general"), orders.observe(), orders.ask_simply())
    scenario.when(orders.confirm(kind="general", state="02"))
    scenario.then(ReturnRefused, code="POSTING_STATUS_CHANGED")
    scenario.when(orders.ask_return()).then(ReturnRequested, route="form")


def accepted(scenario: Scenario) -> tuple[AnyInvoiceEvent, ...]:
    assert isinstance(scenario.decision, tuple), scenario.decision
    return scenario.decision


def test_the_first_thing_that_does_not_fit_is_reported(scenario: Scenario) -> None:
    wrong: dict[str, Any] = {
        "about": orders.OTHER_NUMBER,
        "kind": "general",
        "seller_tax_id": "X1",
        "net_amount": Decimal("-1.00"),
        "reason_code": "02",
        "state": "07",
    }
    codes: list[Any] = []
    while wrong:
        again = Scenario().given(*FORM_ROUTE).when(orders.confirm(**wrong))
        codes.append(getattr(again.decision[0], "code", None) if isinstance(again.decision, tuple) else None)
        del wrong[next(iter(wrong))]
    assert codes == [
        "RED_FONT_FORM_FOR_OTHER_INVOICE",
        "RED_FONT_FORM_KIND_MISMATCH",
        "RED_FONT_FORM_PARTY_MISMATCH",
        "RED_FONT_FORM_AMOUNT_MISMATCH",
        "RED_FONT_FORM_REASON_NOT_ALLOWED",
        "RED_FONT_FORM_EXPIRED",
    ]
    scenario.given(*FORM_ROUTE).when(orders.confirm(number=orders.OTHER_FORM, about=orders.OTHER_NUMBER))
    scenario.then_refused("RED_FONT_FORM_NUMBER_MISMATCH", expected=orders.FORM, form_number=orders.OTHER_FORM)


def test_a_private_buyer_has_no_tax_id_on_the_form_either(scenario: Scenario) -> None:
    given = (orders.register(kind="general", buyer=Buyer(name="王")), orders.observe(), orders.ask_return())
    scenario.given(*given).when(orders.confirm(kind="general")).then(ReturnRefused, code="RED_FONT_FORM_PARTY_MISMATCH")
    scenario.given(orders.ask_return()).when(orders.confirm(kind="general", buyer_tax_id=None)).then(
        RedFontFormConfirmed
    )


def test_tax_ids_are_the_same_in_upper_and_lower_case(scenario: Scenario) -> None:
    scenario.given(*FORM_ROUTE).when(orders.confirm(seller_tax_id=SELLER.lower(), buyer_tax_id=BUYER.lower()))
    scenario.then(RedFontFormConfirmed)


def test_an_invoice_without_tax_is_reversed_without_tax(scenario: Scenario) -> None:
    invoice = orders.register(net_amount=Decimal("106.00"), tax_amount=Decimal("0.00"))
    scenario.given(invoice, orders.observe(), orders.ask_return())
    scenario.when(orders.confirm(net_amount=Decimal("-106.00"), tax_amount=Decimal("0.00"))).then(RedFontFormConfirmed)


@pytest.mark.parametrize(
    ("account", "facts"), [("account-1", {"invoice_number": orders.OTHER_NUMBER}), ("another", {})]
)
def test_on_the_simple_route_a_form_that_serves_another_invoice_ends_the_return(
    scenario: Scenario, account: str, facts: dict[str, Any]
) -> None:
    other = orders.register(orders.OTHER_NUMBER, charges=("c2",), account_id=account)
    scenario.given(
        *SIMPLE_ROUTE,
        other,
        orders.observe(number=orders.OTHER_NUMBER),
        orders.ask_return(orders.OTHER_NUMBER, account_id=account),
    )
    scenario.when(orders.confirm())
    scenario.then(ReturnRefused, code="RED_FONT_FORM_ALREADY_USED", details={"form_number": orders.FORM, **facts})
    scenario.when(orders.confirm(orders.OTHER_NUMBER)).then(
        RedFontFormConfirmed
    )  # the other's claim is not freed by it


def test_on_the_simple_route_a_confirmed_form_is_claimed_until_the_return_is_refused(scenario: Scenario) -> None:
    scenario.given(
        *SIMPLE_ROUTE,
        orders.confirm(),
        orders.register(orders.OTHER_NUMBER, charges=("c2",)),
        orders.observe(number=orders.OTHER_NUMBER),
    )
    scenario.when(orders.ask_return(orders.OTHER_NUMBER))
    scenario.then_refused("RED_FONT_FORM_ALREADY_USED", form_number=orders.FORM, invoice_number=orders.NUMBER)
    scenario.given(orders.fail("id-3", permanent=True)).when(orders.ask_return(orders.OTHER_NUMBER)).then(
        ReturnRequested
    )


@ROUTES
def test_the_confirmed_form_reported_again_appends_nothing_whatever_it_says(scenario: Scenario, given: Any) -> None:
    scenario.given(*given, orders.confirm())
    scenario.when(orders.confirm(state="09", about=orders.OTHER_NUMBER)).then_nothing()
    scenario.given(orders.credit()).when(orders.confirm(state="09")).then_nothing()


@ROUTES
def test_another_form_after_confirmation_is_refused(scenario: Scenario, given: Any) -> None:
    scenario.given(*given, orders.confirm()).when(orders.confirm(number=orders.OTHER_FORM))
    scenario.then_refused("RED_FONT_FORM_ALREADY_CONFIRMED", confirmed=orders.FORM)
    scenario.when(orders.reject()).then_refused("RED_FONT_FORM_ALREADY_CONFIRMED", confirmed=orders.FORM)
    scenario.given(orders.credit()).when(orders.confirm(number=orders.OTHER_FORM)).then_refused("NO_RETURN_IN_PROGRESS")


def test_a_form_alone_never_starts_a_return(scenario: Scenario) -> None:
    scenario.given(orders.register(), orders.observe()).when(orders.confirm()).then_refused("NO_RETURN_IN_PROGRESS")


@pytest.mark.parametrize("form_number", [None, orders.FORM])
def test_a_form_that_the_tax_system_does_not_know_ends_the_return(scenario: Scenario, form_number: str | None) -> None:
    scenario.given(*FORM_ROUTE).when(orders.reject(form_number=form_number))
    scenario.then(
        ReturnRefused,
        code="RED_FONT_FORM_NOT_FOUND",
        details={"form_number": orders.FORM},
        form_number=orders.FORM,
        form_state=None,
    )
    scenario.when(orders.reject(form_number=form_number)).then_refused("NO_RETURN_IN_PROGRESS")


def test_on_the_form_route_only_the_returns_own_form_is_rejected(scenario: Scenario) -> None:
    scenario.given(*FORM_ROUTE).when(orders.reject(form_number=orders.OTHER_FORM))
    scenario.then_refused("RED_FONT_FORM_NUMBER_MISMATCH", expected=orders.FORM, form_number=orders.OTHER_FORM)


@pytest.mark.parametrize(("form_number", "details"), [(None, {}), (orders.FORM, {"form_number": orders.FORM})])
def test_on_the_simple_route_any_rejected_form_ends_the_return(
    scenario: Scenario, form_number: str | None, details: dict[str, Any]
) -> None:
    scenario.given(*SIMPLE_ROUTE).when(orders.reject(form_number=form_number))
    scenario.then(ReturnRefused, code="RED_FONT_FORM_NOT_FOUND", details=details, form_number=form_number)


def test_the_credit_note_goes_by_the_form_that_was_confirmed(scenario: Scenario) -> None:
    scenario.given(*SIMPLE_ROUTE, orders.confirm(number=orders.OTHER_FORM)).when(orders.credit())
    scenario.then_refused("RED_FONT_FORM_NUMBER_MISMATCH", expected=orders.OTHER_FORM, form_number=orders.FORM)
    scenario.now += timedelta(hours=1)
    scenario.when(orders.credit(form_number=orders.OTHER_FORM)).then(CreditNoteIssued, form_number=orders.OTHER_FORM)
