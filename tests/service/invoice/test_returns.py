"""A customer asks for a return: on which route, with what, and until when."""

from datetime import datetime
from typing import Any

import pytest

from events.invoice_events import ReturnRequested
from events.values import Calendar
from tests.service.support import orders
from tests.service.support.scenario import NOW, Scenario

RECORDED = (orders.register(), orders.observe())
NOT_RECORDED = (orders.register(), orders.observe("not_recorded"))
GENERAL = orders.register(kind="general")


def test_a_recorded_special_invoice_goes_the_form_route(scenario: Scenario) -> None:
    scenario.given(*RECORDED).when(orders.ask_return())
    scenario.then(
        ReturnRequested,
        return_id="id-3",
        occurred_at=NOW,
        route="form",
        posting_status="recorded",
        reason="wrong_amount",
        remarks=orders.REMARKS,
        red_font_form_number=orders.FORM,
        due_earliest=datetime.fromisoformat("2026-02-14T00:00:00+08:00"),
        due_latest=datetime.fromisoformat("2026-02-25T23:59:59+08:00"),
        calendar=Calendar(version="chinesecalendar 1.11.0", provisional=False),
    )


def test_a_special_invoice_that_is_not_recorded_goes_the_simple_route_with_nothing_more(scenario: Scenario) -> None:
    scenario.given(*NOT_RECORDED).when(orders.ask_simply())
    nothing = {"reason": None, "remarks": None, "red_font_form_number": None}
    scenario.then(ReturnRequested, route="simple", posting_status="not_recorded", **nothing)


@pytest.mark.parametrize("posting", ["recorded", "not_recorded", None])
def test_a_general_invoice_goes_the_simple_route_whatever_its_posting(scenario: Scenario, posting: str | None) -> None:
    scenario.given(GENERAL, *([orders.observe(posting)] if posting else [])).when(
        orders.ask_simply(reason="other", remarks="x")
    )
    scenario.then(ReturnRequested, route="simple", posting_status=posting or "unknown", reason="other", remarks="x")


def test_the_policy_sends_a_recorded_general_invoice_down_the_form_route(by_the_law: Scenario) -> None:
    by_the_law.given(GENERAL, orders.observe()).when(orders.ask_return())
    by_the_law.then(ReturnRequested, route="form")


@pytest.mark.parametrize("posting", ["not_recorded", None])
def test_the_policy_is_about_recorded_general_invoices_only(by_the_law: Scenario, posting: str | None) -> None:
    by_the_law.given(GENERAL, *([orders.observe(posting)] if posting else [])).when(orders.ask_simply())
    by_the_law.then(ReturnRequested, route="simple")


def test_a_refusal_that_the_policy_causes_names_it(by_the_law: Scenario) -> None:
    by_the_law.given(GENERAL, orders.observe()).when(orders.ask_simply())
    fault = by_the_law.then_refused_fields(
        "RED_FONT_FORM_NUMBER_REQUIRED", "RETURN_REASON_REQUIRED", "REMARKS_MISSING_ORIGINAL_NUMBER"
    )
    assert fault["policy"] == "REDLETTER_GENERAL_RECORDED_ROUTE=form"
    assert fault["policy"] in fault["message"]


def test_a_form_number_chooses_the_form_route_for_a_recorded_general_invoice(scenario: Scenario) -> None:
    """The law wants a form there, and the seed's simple route would end in the buyer's confirmation."""
    scenario.given(GENERAL, orders.observe())
    scenario.when(orders.ask_return(reason=None))
    assert "policy" not in scenario.then_refused_fields("RETURN_REASON_REQUIRED")
    scenario.when(orders.ask_return()).then(ReturnRequested, route="form", red_font_form_number=orders.FORM)
    scenario.when(orders.ask_return()).then_refused("RETURN_ALREADY_IN_PROGRESS", return_id="id-4")


@pytest.mark.parametrize("absent", [None, "", " \u00a0-"])
def test_without_a_form_number_a_recorded_general_invoice_goes_the_simple_route(
    scenario: Scenario, absent: str | None
) -> None:
    scenario.given(GENERAL, orders.observe()).when(orders.ask_simply(red_font_form_number=absent))
    scenario.then(ReturnRequested, route="simple", red_font_form_number=None)


@pytest.mark.parametrize("posting", ["not_recorded", None])
def test_a_general_invoice_that_is_not_recorded_takes_no_form(scenario: Scenario, posting: str | None) -> None:
    scenario.given(GENERAL, *([orders.observe(posting)] if posting else [])).when(orders.ask_return())
    assert "policy" not in scenario.then_refused_fields("RED_FONT_FORM_NOT_EXPECTED")


def test_an_unobserved_special_invoice_sends_the_customer_to_the_finance_department(scenario: Scenario) -> None:
    scenario.given(orders.register()).when(orders.ask_return(posting_status="recorded"))
    scenario.then_refused("POSTING_STATUS_UNKNOWN")
    assert "finance department" in getattr(scenario.decision, "message", "")


@pytest.mark.parametrize("seen", ["not_recorded", "unknown"])
@pytest.mark.parametrize("kind", ["general", "special"])
def test_the_caller_saw_the_posting_on_record(scenario: Scenario, kind: str, seen: str) -> None:
    scenario.given(orders.register(kind=kind), orders.observe()).when(
        orders.ask_return(posting_status=seen, red_font_form_number="bad")
    )
    scenario.then_refused("POSTING_STATUS_MISMATCH", expected="recorded", posting_status=seen)


def test_the_posting_that_the_caller_saw_is_accepted_when_it_is_right(scenario: Scenario) -> None:
    scenario.given(*RECORDED).when(orders.ask_return(posting_status="recorded")).then(ReturnRequested)


@pytest.mark.parametrize("seen", ["recorded", "not_recorded", "unknown"])
def test_what_the_caller_saw_is_not_checked_on_an_unobserved_general_invoice(scenario: Scenario, seen: str) -> None:
    scenario.given(GENERAL).when(orders.ask_simply(posting_status=seen)).then(ReturnRequested)


@pytest.mark.parametrize("absent", [None, ""])
def test_all_field_faults_are_reported_together_in_order_and_empty_is_absent(
    scenario: Scenario, absent: str | None
) -> None:
    scenario.given(*RECORDED).when(orders.ask_return(red_font_form_number=absent, reason=None, remarks=absent))
    fault = scenario.then_refused_fields(
        "RED_FONT_FORM_NUMBER_REQUIRED", "RETURN_REASON_REQUIRED", "REMARKS_MISSING_ORIGINAL_NUMBER"
    )
    assert fault["field"] == "red_font_form_number"


def test_empty_number_and_remarks_are_absent_on_the_simple_route_too(scenario: Scenario) -> None:
    scenario.given(*NOT_RECORDED).when(orders.ask_simply(red_font_form_number="", remarks=""))
    scenario.then(ReturnRequested, red_font_form_number=None, remarks=None)


@pytest.mark.parametrize(
    "number",
    [
        "1",
        "a" * 20,
        orders.FORM + "0",
        "３３０１００２６０２００００００００１",
        "٣" * 20,
        f"{orders.FORM}.",
        f"{orders.FORM[:-1]}²",
    ],
)
def test_a_form_number_is_exactly_20_ascii_digits(scenario: Scenario, number: str) -> None:
    scenario.given(*RECORDED).when(orders.ask_return(red_font_form_number=number))
    assert scenario.then_refused_fields("RED_FONT_FORM_NUMBER_MALFORMED")["field"] == "red_font_form_number"


@pytest.mark.parametrize(
    "written",
    [
        f" {orders.FORM}\n",
        "3301 0026 0200 0000 0001",
        "33010026-0200-00000001",
        "33010026\u00a00200\u202f0000\u30000001",
        "33010026\u20110200\uff0d00000001",
        "".join(chr(ord(digit) + 0xFEE0) for digit in orders.FORM),
    ],
)
def test_blanks_hyphens_and_wide_digits_in_a_form_number_are_folded(scenario: Scenario, written: str) -> None:
    scenario.given(*RECORDED).when(orders.ask_return(red_font_form_number=written))
    scenario.then(ReturnRequested, red_font_form_number=orders.FORM)
    scenario.given(orders.register(orders.OTHER_NUMBER, charges=("c2",)), orders.observe(number=orders.OTHER_NUMBER))
    scenario.when(orders.ask_return(orders.OTHER_NUMBER, red_font_form_number=written))
    scenario.then_refused("RED_FONT_FORM_ALREADY_USED", form_number=orders.FORM, invoice_number=orders.NUMBER)


def test_a_form_is_not_expected_on_the_simple_route(scenario: Scenario) -> None:
    scenario.given(*NOT_RECORDED).when(orders.ask_return(red_font_form_number="whatever"))
    assert "policy" not in scenario.then_refused_fields("RED_FONT_FORM_NOT_EXPECTED")


def test_a_reason_is_required_on_the_form_route(scenario: Scenario) -> None:
    scenario.given(*RECORDED).when(orders.ask_return(reason=None))
    assert scenario.then_refused_fields("RETURN_REASON_REQUIRED")["field"] == "reason"


WIDE = "".join(chr(ord(digit) + 0xFEE0) for digit in orders.NUMBER)


@pytest.mark.parametrize(
    "remarks",
    [
        orders.NUMBER,
        f"a{orders.NUMBER}b",
        f"{orders.NUMBER}，{orders.OTHER_NUMBER}",
        f"号码{WIDE}。",
        f"-{orders.NUMBER}.",
        f"一{orders.NUMBER}一",
        f"{orders.NUMBER[0]}{WIDE[1:]}",
    ],
)
def test_remarks_name_the_original_invoice(scenario: Scenario, remarks: str) -> None:
    scenario.given(*RECORDED).when(orders.ask_return(remarks=remarks)).then(ReturnRequested, remarks=remarks)


@pytest.mark.parametrize(
    "remarks",
    [
        "please reverse",
        orders.NUMBER[:-1],
        f"1{orders.NUMBER}",
        f"{orders.NUMBER}1",
        f"{WIDE}１",
        f"{orders.NUMBER}²",
        f"{orders.NUMBER}٣",
        f"{orders.NUMBER[:10]} {orders.NUMBER[10:]}",
        orders.OTHER_NUMBER,
    ],
)
def test_a_number_that_is_not_exactly_the_invoices_is_not_in_the_remarks(scenario: Scenario, remarks: str) -> None:
    scenario.given(*RECORDED).when(orders.ask_return(remarks=remarks))
    fault = scenario.then_refused_fields("REMARKS_MISSING_ORIGINAL_NUMBER")
    assert (fault["field"], fault["expected"]) == ("remarks", orders.NUMBER)


def test_remarks_of_382_characters_pass_on_either_route(scenario: Scenario) -> None:
    scenario.given(*RECORDED).when(orders.ask_return(remarks=orders.NUMBER + "票" * 362)).then(ReturnRequested)
    scenario.given(orders.reject(), orders.observe("not_recorded")).when(orders.ask_simply(remarks="𠮷" * 382)).then(
        ReturnRequested
    )


def test_longer_remarks_are_too_long_on_either_route(scenario: Scenario) -> None:
    scenario.given(*RECORDED).when(orders.ask_return(remarks=orders.NUMBER + "票" * 363))
    assert scenario.then_refused_fields("REMARKS_TOO_LONG")["length"] == 383
    scenario.given(orders.observe("not_recorded")).when(orders.ask_return(remarks="x" * 383))
    scenario.then_refused_fields("RED_FONT_FORM_NOT_EXPECTED", "REMARKS_TOO_LONG")


def test_remarks_are_measured_before_folding(scenario: Scenario) -> None:
    scenario.given(*RECORDED).when(orders.ask_return(remarks=orders.NUMBER + "㍿" * 362)).then(ReturnRequested)


@pytest.mark.parametrize(("account", "facts"), [("account-1", {"invoice_number": orders.NUMBER}), ("another", {})])
def test_a_form_serves_one_invoice_which_is_named_to_its_own_account(
    scenario: Scenario, account: str, facts: dict[str, Any]
) -> None:
    other = orders.register(orders.OTHER_NUMBER, charges=("c2",), account_id=account)
    scenario.given(*RECORDED, orders.ask_return(), other, orders.observe(number=orders.OTHER_NUMBER))
    scenario.when(orders.ask_return(orders.OTHER_NUMBER, account_id=account))
    scenario.then_refused("RED_FONT_FORM_ALREADY_USED", form_number=orders.FORM, **facts)


def test_fields_are_judged_before_claims(scenario: Scenario) -> None:
    scenario.given(
        *RECORDED,
        orders.ask_return(),
        orders.register(orders.OTHER_NUMBER, charges=("c2",)),
        orders.observe(number=orders.OTHER_NUMBER),
    )
    scenario.when(orders.ask_return(orders.OTHER_NUMBER, reason=None)).then_refused_fields("RETURN_REASON_REQUIRED")


def test_a_form_is_free_again_when_its_return_is_refused(scenario: Scenario) -> None:
    scenario.given(*RECORDED, orders.ask_return(), orders.reject())
    scenario.given(orders.register(orders.OTHER_NUMBER, charges=("c2",)), orders.observe(number=orders.OTHER_NUMBER))
    scenario.when(orders.ask_return(orders.OTHER_NUMBER)).then(ReturnRequested, red_font_form_number=orders.FORM)


def test_the_same_form_may_be_tried_again_after_a_refusal(scenario: Scenario) -> None:
    scenario.given(*RECORDED, orders.ask_return(), orders.reject()).when(orders.ask_return())
    scenario.then(ReturnRequested, return_id="id-5")


def test_a_form_stays_with_the_invoice_that_it_reversed(scenario: Scenario) -> None:
    scenario.given(*RECORDED, orders.ask_return(), orders.confirm(), orders.credit())
    scenario.given(orders.register(orders.OTHER_NUMBER, charges=("c2",)), orders.observe(number=orders.OTHER_NUMBER))
    scenario.when(orders.ask_return(orders.OTHER_NUMBER))
    scenario.then_refused("RED_FONT_FORM_ALREADY_USED", form_number=orders.FORM, invoice_number=orders.NUMBER)


def test_a_return_asked_for_twice_is_refused_the_second_time(scenario: Scenario) -> None:
    scenario.given(*RECORDED, orders.ask_return()).when(orders.ask_return(red_font_form_number=orders.OTHER_FORM))
    scenario.then_refused("RETURN_ALREADY_IN_PROGRESS", return_id="id-3")


@pytest.mark.parametrize(
    ("now", "due"), [("2026-02-13T15:59:59Z", "2026-02-14"), ("2026-02-13T16:00:00Z", "2026-02-24")]
)
def test_due_times_are_counted_in_shanghai_days(scenario: Scenario, now: str, due: str) -> None:
    """Saturday the 14th is worked, and then the Spring Festival begins."""
    scenario.now = datetime.fromisoformat(now)
    scenario.given(*RECORDED).when(orders.ask_return())
    scenario.then(ReturnRequested, due_earliest=datetime.fromisoformat(f"{due}T00:00:00+08:00"))
