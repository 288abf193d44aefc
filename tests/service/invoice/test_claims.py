"""Claims between invoices: of two that race, one wins; and a batch leaves what it changed, no more."""

from collections.abc import Sequence

import pytest

from events.commands import AnyCommand
from service.invoice.claim_changes import claim_changes, claims_held
from service.invoice.claim_overlay import Overlay, WrongHolder
from service.invoice.claims import Claim, ClaimChange, Holder
from service.invoice.decide import decide
from service.invoice.evolve import evolve
from service.invoice.needed_claims import needed_by
from service.invoice.refusals import Refusal
from tests.service.support import orders
from tests.service.support.scenario import Scenario

FORM_CLAIM, C1 = Claim("form", orders.FORM), Claim("charge", "c1")
OWN, OTHER = Holder(orders.NUMBER, orders.ACCOUNT), Holder(orders.OTHER_NUMBER, orders.ACCOUNT)
HOLD = Holder(orders.NUMBER, orders.ACCOUNT, "id-6")
FREED = Holder(orders.NUMBER, orders.ACCOUNT, released=True)
CONFIRMED = (orders.register(), orders.observe(), orders.ask_return(), orders.confirm())
REVERSED = (*CONFIRMED, orders.credit())

NAMED: list[tuple[AnyCommand, set[Claim], set[tuple[str, str]]]] = [
    (orders.register(charges=("c1", "c2")), {Claim("document", orders.NUMBER), C1, Claim("charge", "c2")}, set()),
    (
        orders.register(replaces=orders.replaces(orders.OTHER_NUMBER, "r")),
        {Claim("document", orders.NUMBER), C1},
        {(orders.OTHER_NUMBER, "r")},
    ),
    (orders.refuse_reissue("r"), set(), {(orders.NUMBER, "r")}),
    (orders.ask_return(), {FORM_CLAIM}, set()),
    (orders.ask_return(red_font_form_number="no number"), set(), set()),
    (orders.ask_simply(), set(), set()),
    (orders.reissue("c1", "c2"), {C1, Claim("charge", "c2")}, set()),
    (orders.confirm(), {FORM_CLAIM}, set()),
    (orders.credit(), {Claim("document", orders.CREDIT_NOTE)}, set()),
    *(
        (command, set[Claim](), set[tuple[str, str]]())
        for command in (
            orders.cancel(),
            orders.amend(),
            orders.observe(),
            orders.reject(),
            orders.complete(),
            orders.fail("r"),
            orders.overdue("r"),
            orders.revise("r"),
            orders.link("r"),
        )
    ),
]


@pytest.mark.parametrize(("command", "claims", "holds"), NAMED)
def test_a_command_names_what_it_bears_on(command: AnyCommand, claims: set[Claim], holds: set[tuple[str, str]]) -> None:
    needed = needed_by(command)
    assert (needed.claims, needed.holds) == (claims, holds)


@pytest.mark.parametrize(
    ("given", "claims"),
    [
        (CONFIRMED[:2], {C1}),
        (CONFIRMED[:3], {C1, FORM_CLAIM}),
        (CONFIRMED, {C1, FORM_CLAIM}),
        ((orders.register(), orders.observe("not_recorded"), orders.ask_simply()), {C1}),
        ((orders.register(), orders.observe("not_recorded"), orders.ask_simply(), orders.confirm()), {C1, FORM_CLAIM}),
        (REVERSED, set()),
    ],
)
def test_an_invoice_has_what_its_next_events_may_free(
    scenario: Scenario, given: Sequence[AnyCommand], claims: set[Claim]
) -> None:
    state = scenario.given(*given).state()
    assert state is not None
    assert claims_held(state) == claims


def test_who_holds_what_follows_the_life_of_a_charge(scenario: Scenario) -> None:
    def holder() -> Holder | None:
        return scenario.claims.get(C1)

    scenario.given(*CONFIRMED)
    assert holder() == OWN
    scenario.given(orders.credit())
    assert holder() == FREED
    scenario.given(orders.reissue("c1"))
    assert holder() == HOLD
    scenario.given(orders.refuse_reissue("id-6"))
    assert holder() == FREED
    scenario.given(
        orders.reissue("c1"), orders.register(orders.OTHER_NUMBER, replaces=orders.replaces(orders.NUMBER, "id-8"))
    )
    assert holder() == OTHER
    assert scenario.claims[FORM_CLAIM] == scenario.claims[Claim("document", orders.CREDIT_NOTE)] == OWN


def test_of_two_invoices_that_race_for_a_form_in_one_batch_the_first_wins(scenario: Scenario) -> None:
    other = (orders.register(orders.OTHER_NUMBER, charges=("c2",)), orders.observe(number=orders.OTHER_NUMBER))
    scenario.given(orders.register(), orders.observe(), *other)
    codes, net = batch(scenario, orders.ask_return(), orders.ask_return(orders.OTHER_NUMBER))
    assert codes == [None, "RED_FONT_FORM_ALREADY_USED"]
    assert net == [ClaimChange(FORM_CLAIM, None, OWN)]


def test_in_one_batch_one_invoice_frees_what_another_takes(scenario: Scenario) -> None:
    scenario.given(*CONFIRMED)
    codes, net = batch(
        scenario, orders.register(orders.OTHER_NUMBER), orders.credit(), orders.register(orders.OTHER_NUMBER)
    )
    assert codes == ["CHARGE_ALREADY_INVOICED", None, None]
    assert net == [
        ClaimChange(C1, OWN, OTHER),
        ClaimChange(Claim("document", orders.OTHER_NUMBER), None, OTHER),
        ClaimChange(Claim("document", orders.CREDIT_NOTE), None, OWN),
    ]


def test_in_one_batch_a_hold_is_made_and_taken_over(scenario: Scenario) -> None:
    scenario.given(*REVERSED)
    replacement = orders.register(orders.OTHER_NUMBER, replaces=orders.replaces(orders.NUMBER, "batch-0"))
    codes, net = batch(scenario, orders.reissue("c1"), replacement, replacement, orders.refuse_reissue("batch-0"))
    assert codes == [None, None, "INVOICE_ALREADY_REGISTERED", "REISSUE_NOT_FOUND"]
    assert net == [ClaimChange(C1, FREED, OTHER), ClaimChange(Claim("document", orders.OTHER_NUMBER), None, OTHER)]


def test_a_value_that_returns_within_one_batch_is_not_a_change(scenario: Scenario) -> None:
    scenario.given(*REVERSED)
    codes, net = batch(scenario, orders.reissue("c1"), orders.refuse_reissue("batch-0"))
    assert (codes, net) == ([None, None], [])


def test_a_charge_taken_and_freed_in_one_batch_is_remembered_with_its_account() -> None:
    overlay = Overlay({})
    overlay.apply([ClaimChange(C1, None, OWN), ClaimChange(FORM_CLAIM, None, OWN)])
    overlay.apply([ClaimChange(C1, OWN, None), ClaimChange(FORM_CLAIM, OWN, None)])
    assert (overlay.holder(C1), overlay.released_by(C1)) == (None, FREED)
    assert overlay.released_by(FORM_CLAIM) is None
    assert overlay.net() == [ClaimChange(C1, None, FREED)]


def test_a_change_from_a_holder_that_is_not_on_record_changes_nothing_at_all() -> None:
    overlay = Overlay({C1: OTHER})
    with pytest.raises(WrongHolder, match="c1"):
        overlay.apply([ClaimChange(FORM_CLAIM, None, OWN), ClaimChange(C1, OWN, HOLD)])
    assert overlay.net() == []
    assert overlay.holder(FORM_CLAIM) is None


def test_an_invoice_lets_go_of_what_it_holds_though_another_one_holds_some_that_it_believes_to_hold() -> None:
    overlay = Overlay({C1: OTHER, FORM_CLAIM: OWN})
    overlay.apply([ClaimChange(C1, OWN, None), ClaimChange(FORM_CLAIM, OWN, None)])
    assert overlay.holder(C1) == OTHER
    assert overlay.net() == [ClaimChange(FORM_CLAIM, OWN, None)]


def test_a_claim_is_not_let_go_of_before_it_is_loaded_or_under_another_name() -> None:
    for held in ({}, {C1: HOLD}):
        with pytest.raises(WrongHolder, match="c1"):
            Overlay(held).apply([ClaimChange(C1, OWN, None)])


def test_loaded_holds_are_found_by_their_full_name() -> None:
    overlay = Overlay({C1: HOLD, Claim("charge", "c2"): HOLD, Claim("charge", "c3"): OWN})
    assert overlay.held_by(HOLD) == {"c1", "c2"}
    assert overlay.held_by(OWN) == frozenset()
    assert overlay.held_by(Holder(orders.NUMBER, "another", "id-6")) == frozenset()
    overlay.apply([ClaimChange(C1, HOLD, None)])
    assert overlay.held_by(HOLD) == {"c2"}


def batch(scenario: Scenario, *commands: AnyCommand) -> tuple[list[str | None], list[ClaimChange]]:
    """Decide commands on one overlay, loaded once for all of them."""
    rows: dict[Claim, Holder] = {}
    states = {command.invoice_number: scenario.state(command.invoice_number) for command in commands}
    for command in commands:
        rows |= scenario.loaded(command, states[command.invoice_number])
    overlay = Overlay(rows)
    codes: list[str | None] = []
    for place, command in enumerate(commands):
        state = states[command.invoice_number]
        decision = decide(state, overlay, command, scenario.moment(f"batch-{place}"))
        codes.append(decision.code if isinstance(decision, Refusal) else None)
        for event in () if isinstance(decision, Refusal) else decision:
            overlay.apply(claim_changes(state, event))
            states[command.invoice_number] = state = evolve(state, event)
    return codes, overlay.net()
