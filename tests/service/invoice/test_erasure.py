"""Erasing the texts of an invoice: when it may be, and what becomes of the invoice."""

from datetime import UTC, datetime, timedelta

import pytest

from events.commands import AnyCommand
from events.invoice_events import InvoiceIssued, PersonalDataErased, ReissueRefused
from service.invoice.moment import Policy
from tests.service.support import orders
from tests.service.support.scenario import NOW, Scenario

REVERSED = (orders.register(), orders.observe(), orders.ask_return(), orders.confirm(), orders.credit())


def sealed(scenario: Scenario, *commands: AnyCommand) -> Scenario:
    """Let commands be accepted on an invoice whose texts are sealed."""
    scenario.given(commands[0])
    (issued,) = scenario.streams[orders.NUMBER]
    scenario.streams[orders.NUMBER] = [issued.but(sealed="under its key")]
    return scenario.given(*commands[1:])


def over(scenario: Scenario) -> Scenario:
    """Let the time pass for which texts are kept."""
    scenario.now = datetime(2036, 2, 13, 1, 30, tzinfo=UTC)
    return scenario


@pytest.fixture
def erased(scenario: Scenario) -> Scenario:
    return over(sealed(scenario, *REVERSED, orders.reissue("c1"))).given(orders.erase())


def test_a_sealed_invoice_is_erased_after_ten_years(scenario: Scenario) -> None:
    over(sealed(scenario, *REVERSED)).when(orders.erase())
    scenario.then(PersonalDataErased, reason="retention over", requested_by="records-office")


def test_it_is_kept_until_then(scenario: Scenario) -> None:
    over(sealed(scenario, *REVERSED)).now -= timedelta(seconds=1)
    scenario.when(orders.erase()).then_refused("RETENTION_NOT_OVER", kept_until="2036-02-13T01:30:00+00:00", years=10)


def test_the_time_begins_with_the_last_event(scenario: Scenario) -> None:
    sealed(scenario, orders.register(), orders.observe())
    scenario.now += timedelta(days=365)
    scenario.given(orders.observe("not_recorded", observed_at=scenario.now))
    over(scenario).when(orders.erase()).then_refused(
        "RETENTION_NOT_OVER", kept_until="2037-02-13T01:30:00+00:00", years=10
    )


def test_how_long_is_a_setting(scenario: Scenario) -> None:
    scenario.policy = Policy("simple", timedelta(minutes=5), timedelta(hours=2), retention_years=0)
    sealed(scenario, *REVERSED).when(orders.erase()).then(PersonalDataErased, occurred_at=NOW)


def test_ten_years_after_the_29th_of_february_is_the_1st_of_march() -> None:
    policy = Policy("simple", timedelta(minutes=5), timedelta(hours=2), retention_years=10)
    assert policy.kept_until(datetime(2028, 2, 29, tzinfo=UTC)) == datetime(2038, 3, 1, tzinfo=UTC)
    assert policy.kept_until(datetime(2028, 2, 28, tzinfo=UTC)) == datetime(2038, 2, 28, tzinfo=UTC)


def test_an_invoice_that_stands_in_clear_is_not_erased(scenario: Scenario) -> None:
    over(scenario.given(orders.register())).when(orders.erase()).then_refused("INVOICE_NOT_SEALED")


def test_a_return_in_progress_is_completed_first(scenario: Scenario) -> None:
    over(sealed(scenario, *REVERSED[:3])).when(orders.erase()).then_refused(
        "RETURN_ALREADY_IN_PROGRESS", return_id=scenario.return_id()
    )


def test_an_erased_invoice_is_erased_once(erased: Scenario) -> None:
    erased.when(orders.erase()).then_nothing()


@pytest.mark.parametrize("ask", [orders.ask_return(), orders.reissue("c1"), orders.reissue("c1", buyer={"name": "n"})])
def test_an_erased_invoice_is_neither_returned_nor_reissued(erased: Scenario, ask: AnyCommand) -> None:
    erased.when(ask).then_refused("INVOICE_ERASED")


def test_another_account_does_not_learn_of_it(erased: Scenario) -> None:
    erased.when(orders.ask_return(account_id="x")).then_refused("INVOICE_NOT_FOUND", invoice_number=orders.NUMBER)


def test_everything_else_about_it_continues(erased: Scenario) -> None:
    erased.when(orders.refuse_reissue("id-6")).then(ReissueRefused)


def test_nothing_of_its_texts_is_left_in_its_state(erased: Scenario) -> None:
    state = erased.state()
    assert state is not None
    assert state.without_texts
    assert isinstance(issued := erased.streams[orders.NUMBER][0], InvoiceIssued)
    assert issued.buyer.name not in repr(state)
    assert state.body.buyer.tax_id == issued.buyer.tax_id
