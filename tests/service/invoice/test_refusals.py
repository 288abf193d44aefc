"""A refusal says in one sentence what to do."""

from service.invoice.refusals import Refusal
from tests.service.support.orders import amend, register
from tests.service.support.scenario import Scenario


def test_an_amendment_is_pointed_to_return_and_reissue(scenario: Scenario) -> None:
    scenario.given(register()).when(amend()).then_refused("ISSUED_INVOICE_IMMUTABLE")
    assert isinstance(scenario.decision, Refusal)
    assert "return" in scenario.decision.message
    assert "reissue" in scenario.decision.message
