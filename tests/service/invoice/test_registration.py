"""Invoices come on record, and so does their posting status."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from events.invoice_events import InvoiceIssued, PostingStatusChanged
from events.values import Buyer
from tests.service.support import orders
from tests.service.support.scenario import NOW, Scenario

REVERSED = (orders.register(charges=("c1",)), orders.observe(), orders.ask_return(), orders.confirm(), orders.credit())
HELD = (*REVERSED, orders.reissue("c1"))
REISSUE = "id-6"


def test_an_invoice_comes_on_record_with_all_that_billing_said(scenario: Scenario) -> None:
    command = orders.register(remarks="as agreed")
    scenario.when(command)
    scenario.then(InvoiceIssued, occurred_at=NOW, **dict(command))


def test_a_number_is_registered_once_also_when_it_is_the_very_same_invoice(scenario: Scenario) -> None:
    scenario.given(orders.register()).when(orders.register())
    scenario.then_refused("INVOICE_ALREADY_REGISTERED", invoice_number=orders.NUMBER)


def test_a_registered_number_is_refused_to_another_account_in_the_same_words(scenario: Scenario) -> None:
    scenario.given(orders.register()).when(orders.register(account_id="other"))
    scenario.then_refused("INVOICE_ALREADY_REGISTERED", invoice_number=orders.NUMBER)


def test_the_number_of_a_credit_note_is_not_an_invoice_number(scenario: Scenario) -> None:
    scenario.given(*REVERSED).when(orders.register(orders.CREDIT_NOTE, charges=("c2",)))
    scenario.then_refused("INVOICE_ALREADY_REGISTERED", invoice_number=orders.CREDIT_NOTE)


def test_the_number_begins_with_the_year_of_issue(scenario: Scenario) -> None:
    scenario.when(orders.register(issued_on=date(2025, 12, 31)))
    scenario.then_refused("NUMBER_YEAR_MISMATCH", number_year="26", issued_on="2025-12-31")


@pytest.mark.parametrize(
    ("number", "issued_on"),
    [
        ("20000000000000000001", "2020-12-31"),
        ("26000000000000000001", "1926-02-01"),
        ("26000000000000000001", "2026-02-15"),
    ],
)
def test_an_invoice_is_issued_between_the_first_digital_ones_and_tomorrow(
    scenario: Scenario, number: str, issued_on: str
) -> None:
    """It is 13 February in Shanghai."""
    scenario.when(orders.register(number, issued_on=issued_on))
    scenario.then_refused("ISSUED_ON_IMPLAUSIBLE", issued_on=issued_on, earliest="2021-01-01", latest="2026-02-14")


@pytest.mark.parametrize(
    ("number", "issued_on"), [("21000000000000000001", date(2021, 1, 1)), (orders.NUMBER, date(2026, 2, 14))]
)
def test_the_first_and_the_last_plausible_day_of_issue_pass(scenario: Scenario, number: str, issued_on: date) -> None:
    scenario.when(orders.register(number, issued_on=issued_on)).then(InvoiceIssued, issued_on=issued_on)


def test_tomorrow_is_shanghais(scenario: Scenario) -> None:
    scenario.now = datetime.fromisoformat("2026-02-13T16:00:00+00:00")  # the 14th begins in Shanghai
    scenario.when(orders.register(issued_on=date(2026, 2, 15))).then(InvoiceIssued)


def test_a_special_invoice_names_its_buyers_tax_id(scenario: Scenario) -> None:
    scenario.when(orders.register(buyer=Buyer(name="王"))).then_refused("BUYER_TAX_ID_REQUIRED")
    scenario.when(orders.register(buyer=Buyer(name="王"), kind="general")).then(InvoiceIssued)


@pytest.mark.parametrize(
    "but",
    [
        {"net_amount": Decimal("99.99")},
        {"total_amount": Decimal("106.01")},
        {"charges": (orders.charge("c1", "106.01"),)},
        {"charges": (orders.charge("c1"), orders.charge("c2", "-0.01"))},
    ],
)
def test_net_and_tax_the_charges_and_the_total_are_the_same(scenario: Scenario, but: dict[str, Any]) -> None:
    command = orders.register(**but)
    scenario.when(command)
    scenario.then_refused(
        "AMOUNTS_DO_NOT_ADD_UP",
        net_and_tax=str(command.net_amount + command.tax_amount),
        charges=str(sum(charge.amount for charge in command.charges)),
        total=str(command.total_amount),
    )


def test_a_discount_is_a_negative_charge(scenario: Scenario) -> None:
    scenario.when(orders.register(charges=(orders.charge("c1", "312.00"), orders.charge("c2", "-100.00"))))
    scenario.then(InvoiceIssued)


def test_a_charge_is_on_one_invoice(scenario: Scenario) -> None:
    scenario.given(orders.register()).when(orders.register(orders.OTHER_NUMBER, charges=("c2", "c1")))
    scenario.then_refused("CHARGE_ALREADY_INVOICED", charge_id="c1", invoice_number=orders.NUMBER)


def test_a_held_charge_is_named_with_the_reissue_that_holds_it(scenario: Scenario) -> None:
    scenario.given(*HELD).when(orders.register(orders.OTHER_NUMBER))
    scenario.then_refused("CHARGE_ALREADY_INVOICED", charge_id="c1", reissue_id=REISSUE, original_number=orders.NUMBER)


def test_a_released_charge_may_be_invoiced_again(scenario: Scenario) -> None:
    scenario.given(*REVERSED).when(orders.register(orders.OTHER_NUMBER))
    scenario.then(InvoiceIssued)


def test_a_released_charge_goes_back_to_the_account_it_was_released_from(scenario: Scenario) -> None:
    scenario.given(*REVERSED)
    for _ in range(2):
        scenario.when(orders.register(orders.OTHER_NUMBER, account_id="another"))
        scenario.then_refused("CHARGE_OF_ANOTHER_ACCOUNT", charge_id="c1")
    scenario.given(orders.reissue("c1"), orders.refuse_reissue("id-8"))
    scenario.when(orders.register(orders.OTHER_NUMBER, account_id="another"))
    scenario.then_refused("CHARGE_OF_ANOTHER_ACCOUNT", charge_id="c1")
    scenario.when(orders.register(orders.OTHER_NUMBER)).then(InvoiceIssued)


def test_a_charge_that_is_taken_is_reported_before_one_of_another_account(scenario: Scenario) -> None:
    scenario.given(*REVERSED, orders.register(orders.OTHER_NUMBER, charges=("c2",)))
    scenario.when(orders.register("26000000000000000003", charges=("c1", "c2"), account_id="another"))
    scenario.then_refused("CHARGE_ALREADY_INVOICED", charge_id="c2", invoice_number=orders.OTHER_NUMBER)


def test_a_replacement_takes_over_what_was_held_for_it(scenario: Scenario) -> None:
    scenario.given(*HELD).when(
        orders.register(orders.OTHER_NUMBER, kind="general", replaces=orders.replaces(orders.NUMBER, REISSUE))
    )
    scenario.then(InvoiceIssued, replaces=orders.replaces(orders.NUMBER, REISSUE))


@pytest.mark.parametrize(
    ("number", "reissue_id", "account"),
    [
        (orders.NUMBER, "another", "account-1"),
        (orders.CREDIT_NOTE, REISSUE, "account-1"),
        (orders.NUMBER, REISSUE, "another"),
    ],
)
def test_a_replacement_names_a_live_hold_of_its_own_account(
    scenario: Scenario, number: str, reissue_id: str, account: str
) -> None:
    scenario.given(*HELD)
    scenario.when(
        orders.register(orders.OTHER_NUMBER, account_id=account, replaces=orders.replaces(number, reissue_id))
    )
    scenario.then_refused("REISSUE_NOT_FOUND", original_number=number, reissue_id=reissue_id)


def test_a_hold_is_taken_over_once(scenario: Scenario) -> None:
    scenario.given(*HELD, orders.register(orders.OTHER_NUMBER, replaces=orders.replaces(orders.NUMBER, REISSUE)))
    scenario.when(orders.register("26000000000000000003", replaces=orders.replaces(orders.NUMBER, REISSUE)))
    scenario.then_refused("REISSUE_NOT_FOUND", original_number=orders.NUMBER, reissue_id=REISSUE)


@pytest.mark.parametrize("charges", [("c2",), ("c1", "c2")])
def test_a_replacement_has_exactly_the_held_charges(scenario: Scenario, charges: tuple[str, ...]) -> None:
    scenario.given(*HELD).when(
        orders.register(orders.OTHER_NUMBER, charges=charges, replaces=orders.replaces(orders.NUMBER, REISSUE))
    )
    scenario.then_refused("REISSUE_CHARGES_MISMATCH", reissue_id=REISSUE, held_charge_ids=["c1"])


def test_faults_of_a_new_invoice_are_reported_in_order(scenario: Scenario) -> None:
    scenario.given(orders.register())
    wrong = orders.register(
        orders.OTHER_NUMBER,
        issued_on=date(2025, 1, 1),
        buyer=Buyer(name="王"),
        total_amount=Decimal("1.00"),
        replaces=orders.replaces(orders.NUMBER, "none"),
    )
    for mended, code in (
        ({}, "NUMBER_YEAR_MISMATCH"),
        ({"issued_on": date(2026, 3, 1)}, "ISSUED_ON_IMPLAUSIBLE"),
        ({"issued_on": date(2026, 1, 1)}, "BUYER_TAX_ID_REQUIRED"),
        ({"kind": "general"}, "AMOUNTS_DO_NOT_ADD_UP"),
        ({"total_amount": Decimal("106.00")}, "REISSUE_NOT_FOUND"),
        ({"replaces": None}, "CHARGE_ALREADY_INVOICED"),
    ):
        wrong = wrong.model_copy(update=mended)
        scenario.when(wrong)
        assert getattr(scenario.decision, "code", None) == code


def test_the_first_observation_of_the_posting_is_an_event(scenario: Scenario) -> None:
    scenario.given(orders.register()).when(orders.observe("not_recorded"))
    scenario.then(PostingStatusChanged, previous="unknown", posting_status="not_recorded", observed_at=orders.SEEN)


def test_the_same_posting_again_appends_nothing_however_old_it_is(scenario: Scenario) -> None:
    scenario.given(orders.register(), orders.observe()).when(
        orders.observe(observed_at=orders.SEEN - timedelta(days=1))
    )
    scenario.then_nothing()


def test_an_observation_is_at_most_five_minutes_ahead_of_its_command(scenario: Scenario) -> None:
    """Whatever it says: a wrong clock must not freeze the posting status."""
    ahead = NOW + timedelta(minutes=5)
    scenario.given(orders.register(), orders.observe())
    for status in ("recorded", "not_recorded"):
        scenario.when(orders.observe(status, observed_at=ahead + timedelta(microseconds=1)))
        scenario.then_refused(
            "OBSERVATION_IN_FUTURE",
            observed_at="2026-02-13T01:35:00.000001+00:00",
            latest="2026-02-13T01:35:00+00:00",
        )
    scenario.when(orders.observe("not_recorded", observed_at=ahead)).then(PostingStatusChanged, observed_at=ahead)


def test_an_older_observation_does_not_undo_a_newer_one(scenario: Scenario) -> None:
    scenario.given(orders.register(), orders.observe()).when(
        orders.observe("not_recorded", observed_at=orders.SEEN - timedelta(microseconds=1))
    )
    scenario.then_refused("STALE_OBSERVATION", expected="recorded", last_observed_at=orders.SEEN.isoformat())


def test_an_observation_of_the_same_instant_counts(scenario: Scenario) -> None:
    scenario.given(orders.register(), orders.observe()).when(orders.observe("not_recorded"))
    scenario.then(PostingStatusChanged, previous="recorded", posting_status="not_recorded")


def test_only_a_change_counts_as_last_observed(scenario: Scenario) -> None:
    scenario.given(orders.register(), orders.observe(), orders.observe(observed_at=orders.SEEN + timedelta(minutes=30)))
    scenario.when(orders.observe("not_recorded", observed_at=orders.SEEN + timedelta(minutes=10)))
    scenario.then(PostingStatusChanged)
