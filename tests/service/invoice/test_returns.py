"""A customer asks for a return: on which route, with what, and until when."""

from datetime import datetime
from typing import Any

import pytest

from events.invoice_events import ReturnRequested
from events.values import Calendar
from tests.service.support.orders import (
    FORM,
    NUMBER,
    OTHER_FORM,
    OTHER_NUMBER,
    REMARKS,
    ask_return,
    ask_simply,
    confirm,
    credit,
    observe,
    register,
    reject,
)
from tests.service.support.scenario import NOW, Scenario

RECORDED = (register(), observe())
NOT_RECORDED = (register(), observe("not_recorded"))
GENERAL = register(kind="general")


def test_a_recorded_special_invoice_goes_the_form_route(scenario: Scenario) -> None:
    scenario.given(*RECORDED).when(ask_return())
    scenario.then(
        ReturnRequested,
        return_id="id-3",
        occurred_at=NOW,
        route="form",
        posting_status="recorded",
        reason="wrong_amount",
        remarks=REMARKS,
        red_font_form_number=FORM,
        due_earliest=datetime.fromisoformat("2026-02-14T00:00:00+08:00"),
        due_latest=datetime.fromisoformat("2026-02-25T23:59:59+08:00"),
        calendar=Calendar(version="chinesecalendar 1.11.0", provisional=False),
    )


def test_a_special_invoice_that_is_not_recorded_goes_the_simple_route_with_nothing_more(scenario: Scenario) -> None:
    scenario.given(*NOT_RECORDED).when(ask_simply())
    nothing = {"reason": None, "remarks": None, "red_font_form_number": None}
    scenario.then(ReturnRequested, route="simple", posting_status="not_recorded", **nothing)


@pytest.mark.parametrize("posting", ["recorded", "not_recorded", None])
def test_a_general_invoice_goes_the_simple_route_whatever_its_posting(scenario: Scenario, posting: str | None) -> None:
    scenario.given(GENERAL, *([observe(posting)] if posting else [])).when(ask_simply(reason="other", remarks="x"))
    scenario.then(ReturnRequested, route="simple", posting_status=posting or "unknown", reason="other", remarks="x")


def test_the_policy_sends_a_recorded_general_invoice_down_the_form_route(by_the_law: Scenario) -> None:
    by_the_law.given(GENERAL, observe()).when(ask_return())
    by_the_law.then(ReturnRequested, route="form")


@pytest.mark.parametrize("posting", ["not_recorded", None])
def test_the_policy_is_about_recorded_general_invoices_only(by_the_law: Scenario, posting: str | None) -> None:
    by_the_law.given(GENERAL, *([observe(posting)] if posting else [])).when(ask_simply())
    by_the_law.then(ReturnRequested, route="simple")


def test_a_refusal_that_the_policy_causes_names_it(by_the_law: Scenario) -> None:
    by_the_law.given(GENERAL, observe()).when(ask_simply())
    fault = by_the_law.then_refused_fields(
        "RED_FONT_FORM_NUMBER_REQUIRED", "RETURN_REASON_REQUIRED", "REMARKS_MISSING_ORIGINAL_NUMBER"
    )
    assert fault["policy"] == "REDLETTER_GENERAL_RECORDED_ROUTE=form"
    assert fault["policy"] in fault["message"]


def test_a_form_number_chooses_the_form_route_for_a_recorded_general_invoice(scenario: Scenario) -> None:
    """The law wants a form there, and the seed's simple route would end in the buyer's confirmation."""
    scenario.given(GENERAL, observe())
    scenario.when(ask_return(reason=None))
    assert "policy" not in scenario.then_refused_fields("RETURN_REASON_REQUIRED")
    scenario.when(ask_return()).then(ReturnRequested, route="form", red_font_form_number=FORM)
    scenario.when(ask_return()).then_refused("RETURN_ALREADY_IN_PROGRESS", return_id="id-4")


@pytest.mark.parametrize("absent", [None, "", " \u00a0-"])
def test_without_a_form_number_a_recorded_general_invoice_goes_the_simple_route(
    scenario: Scenario, absent: str | None
) -> None:
    scenario.given(GENERAL, observe()).when(ask_simply(red_font_form_number=absent))
    scenario.then(ReturnRequested, route="simple", red_font_form_number=None)


@pytest.mark.parametrize("posting", ["not_recorded", None])
def test_a_general_invoice_that_is_not_recorded_takes_no_form(scenario: Scenario, posting: str | None) -> None:
    scenario.given(GENERAL, *([observe(posting)] if posting else [])).when(ask_return())
    assert "policy" not in scenario.then_refused_fields("RED_FONT_FORM_NOT_EXPECTED")


def test_an_unobserved_special_invoice_sends_the_customer_to_the_finance_department(scenario: Scenario) -> None:
    scenario.given(register()).when(ask_return(posting_status="recorded"))
    scenario.then_refused("POSTING_STATUS_UNKNOWN")
    assert "finance department" in getattr(scenario.decision, "message", "")


@pytest.mark.parametrize("seen", ["not_recorded", "unknown"])
@pytest.mark.parametrize("kind", ["general", "special"])
def test_the_caller_saw_the_posting_on_record(scenario: Scenario, kind: str, seen: str) -> None:
    scenario.given(register(kind=kind), observe()).when(ask_return(posting_status=seen, red_font_form_number="bad"))
    scenario.then_refused("POSTING_STATUS_MISMATCH", expected="recorded", posting_status=seen)


def test_the_posting_that_the_caller_saw_is_accepted_when_it_is_right(scenario: Scenario) -> None:
    scenario.given(*RECORDED).when(ask_return(posting_status="recorded")).then(ReturnRequested)


@pytest.mark.parametrize("seen", ["recorded", "not_recorded", "unknown"])
def test_what_the_caller_saw_is_not_checked_on_an_unobserved_general_invoice(scenario: Scenario, seen: str) -> None:
    scenario.given(GENERAL).when(ask_simply(posting_status=seen)).then(ReturnRequested)


@pytest.mark.parametrize("absent", [None, ""])
def test_all_field_faults_are_reported_together_in_order_and_empty_is_absent(
    scenario: Scenario, absent: str | None
) -> None:
    scenario.given(*RECORDED).when(ask_return(red_font_form_number=absent, reason=None, remarks=absent))
    fault = scenario.then_refused_fields(
        "RED_FONT_FORM_NUMBER_REQUIRED", "RETURN_REASON_REQUIRED", "REMARKS_MISSING_ORIGINAL_NUMBER"
    )
    assert fault["field"] == "red_font_form_number"


def test_empty_number_and_remarks_are_absent_on_the_simple_route_too(scenario: Scenario) -> None:
    scenario.given(*NOT_RECORDED).when(ask_simply(red_font_form_number="", remarks=""))
    scenario.then(ReturnRequested, red_font_form_number=None, remarks=None)


@pytest.mark.parametrize(
    "number",
    ["1", "a" * 20, FORM + "0", "３３０１００２６０２００００００００１", "٣" * 20, f"{FORM}.", f"{FORM[:-1]}²"],
)
def test_a_form_number_is_exactly_20_ascii_digits(scenario: Scenario, number: str) -> None:
    scenario.given(*RECORDED).when(ask_return(red_font_form_number=number))
    assert scenario.then_refused_fields("RED_FONT_FORM_NUMBER_MALFORMED")["field"] == "red_font_form_number"


@pytest.mark.parametrize(
    "written",
    [
        f" {FORM}\n",
        "3301 0026 0200 0000 0001",
        "33010026-0200-00000001",
        "33010026\u00a00200\u202f0000\u30000001",
        "33010026\u20110200\uff0d00000001",
        "".join(chr(ord(digit) + 0xFEE0) for digit in FORM),
    ],
)
def test_blanks_hyphens_and_wide_digits_in_a_form_number_are_folded(scenario: Scenario, written: str) -> None:
    scenario.given(*RECORDED).when(ask_return(red_font_form_number=written))
    scenario.then(ReturnRequested, red_font_form_number=FORM)
    scenario.given(register(OTHER_NUMBER, charges=("c2",)), observe(number=OTHER_NUMBER))
    scenario.when(ask_return(OTHER_NUMBER, red_font_form_number=written))
    scenario.then_refused("RED_FONT_FORM_ALREADY_USED", form_number=FORM, invoice_number=NUMBER)


def test_a_form_is_not_expected_on_the_simple_route(scenario: Scenario) -> None:
    scenario.given(*NOT_RECORDED).when(ask_return(red_font_form_number="whatever"))
    assert "policy" not in scenario.then_refused_fields("RED_FONT_FORM_NOT_EXPECTED")


def test_a_reason_is_required_on_the_form_route(scenario: Scenario) -> None:
    scenario.given(*RECORDED).when(ask_return(reason=None))
    assert scenario.then_refused_fields("RETURN_REASON_REQUIRED")["field"] == "reason"


WIDE = "".join(chr(ord(digit) + 0xFEE0) for digit in NUMBER)


@pytest.mark.parametrize(
    "remarks",
    [
        NUMBER,
        f"a{NUMBER}b",
        f"{NUMBER}，{OTHER_NUMBER}",
        f"号码{WIDE}。",
        f"-{NUMBER}.",
        f"一{NUMBER}一",
        f"{NUMBER[0]}{WIDE[1:]}",
    ],
)
def test_remarks_name_the_original_invoice(scenario: Scenario, remarks: str) -> None:
    scenario.given(*RECORDED).when(ask_return(remarks=remarks)).then(ReturnRequested, remarks=remarks)


@pytest.mark.parametrize(
    "remarks",
    [
        "please reverse",
        NUMBER[:-1],
        f"1{NUMBER}",
        f"{NUMBER}1",
        f"{WIDE}１",
        f"{NUMBER}²",
        f"{NUMBER}٣",
        f"{NUMBER[:10]} {NUMBER[10:]}",
        OTHER_NUMBER,
    ],
)
def test_a_number_that_is_not_exactly_the_invoices_is_not_in_the_remarks(scenario: Scenario, remarks: str) -> None:
    scenario.given(*RECORDED).when(ask_return(remarks=remarks))
    fault = scenario.then_refused_fields("REMARKS_MISSING_ORIGINAL_NUMBER")
    assert (fault["field"], fault["expected"]) == ("remarks", NUMBER)


def test_remarks_of_382_characters_pass_on_either_route(scenario: Scenario) -> None:
    scenario.given(*RECORDED).when(ask_return(remarks=NUMBER + "票" * 362)).then(ReturnRequested)
    scenario.given(reject(), observe("not_recorded")).when(ask_simply(remarks="𠮷" * 382)).then(ReturnRequested)


def test_longer_remarks_are_too_long_on_either_route(scenario: Scenario) -> None:
    scenario.given(*RECORDED).when(ask_return(remarks=NUMBER + "票" * 363))
    assert scenario.then_refused_fields("REMARKS_TOO_LONG")["length"] == 383
    scenario.given(observe("not_recorded")).when(ask_return(remarks="x" * 383))
    scenario.then_refused_fields("RED_FONT_FORM_NOT_EXPECTED", "REMARKS_TOO_LONG")


def test_remarks_are_measured_before_folding(scenario: Scenario) -> None:
    scenario.given(*RECORDED).when(ask_return(remarks=NUMBER + "㍿" * 362)).then(ReturnRequested)


@pytest.mark.parametrize(("account", "facts"), [("account-1", {"invoice_number": NUMBER}), ("another", {})])
def test_a_form_serves_one_invoice_which_is_named_to_its_own_account(
    scenario: Scenario, account: str, facts: dict[str, Any]
) -> None:
    other = register(OTHER_NUMBER, charges=("c2",), account_id=account)
    scenario.given(*RECORDED, ask_return(), other, observe(number=OTHER_NUMBER))
    scenario.when(ask_return(OTHER_NUMBER, account_id=account))
    scenario.then_refused("RED_FONT_FORM_ALREADY_USED", form_number=FORM, **facts)


def test_fields_are_judged_before_claims(scenario: Scenario) -> None:
    scenario.given(*RECORDED, ask_return(), register(OTHER_NUMBER, charges=("c2",)), observe(number=OTHER_NUMBER))
    scenario.when(ask_return(OTHER_NUMBER, reason=None)).then_refused_fields("RETURN_REASON_REQUIRED")


def test_a_form_is_free_again_when_its_return_is_refused(scenario: Scenario) -> None:
    scenario.given(*RECORDED, ask_return(), reject())
    scenario.given(register(OTHER_NUMBER, charges=("c2",)), observe(number=OTHER_NUMBER))
    scenario.when(ask_return(OTHER_NUMBER)).then(ReturnRequested, red_font_form_number=FORM)


def test_the_same_form_may_be_tried_again_after_a_refusal(scenario: Scenario) -> None:
    scenario.given(*RECORDED, ask_return(), reject()).when(ask_return())
    scenario.then(ReturnRequested, return_id="id-5")


def test_a_form_stays_with_the_invoice_that_it_reversed(scenario: Scenario) -> None:
    scenario.given(*RECORDED, ask_return(), confirm(), credit())
    scenario.given(register(OTHER_NUMBER, charges=("c2",)), observe(number=OTHER_NUMBER))
    scenario.when(ask_return(OTHER_NUMBER))
    scenario.then_refused("RED_FONT_FORM_ALREADY_USED", form_number=FORM, invoice_number=NUMBER)


def test_a_return_asked_for_twice_is_refused_the_second_time(scenario: Scenario) -> None:
    scenario.given(*RECORDED, ask_return()).when(ask_return(red_font_form_number=OTHER_FORM))
    scenario.then_refused("RETURN_ALREADY_IN_PROGRESS", return_id="id-3")


@pytest.mark.parametrize(
    ("now", "due"), [("2026-02-13T15:59:59Z", "2026-02-14"), ("2026-02-13T16:00:00Z", "2026-02-24")]
)
def test_due_times_are_counted_in_shanghai_days(scenario: Scenario, now: str, due: str) -> None:
    """Saturday the 14th is worked, and then the Spring Festival begins."""
    scenario.now = datetime.fromisoformat(now)
    scenario.given(*RECORDED).when(ask_return())
    scenario.then(ReturnRequested, due_earliest=datetime.fromisoformat(f"{due}T00:00:00+08:00"))
