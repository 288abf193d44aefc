"""Claims between invoices: of two that race, one wins; and a batch leaves what it changed, no more."""

from collections.abc import Sequence

import pytest

from events.commands import AnyCommand
from service.invoice.claim_changes import claim_changes, claims_held
from service.invoice.claim_rules import Needed, needed_by
from service.invoice.claims import Claim, ClaimChange, Holder
from service.invoice.decide import decide
from service.invoice.evolve import evolve
from service.invoice.overlay import Overlay, WrongHolder
from service.invoice.refusals import Refusal
from tests.service.support.orders import (
    ACCOUNT,
    CREDIT_NOTE,
    FORM,
    NUMBER,
    OTHER_NUMBER,
    amend,
    ask_return,
    ask_simply,
    cancel,
    complete,
    confirm,
    credit,
    fail,
    link,
    observe,
    overdue,
    refuse_reissue,
    register,
    reissue,
    reject,
    replaces,
    revise,
)
from tests.service.support.scenario import Scenario

FORM_CLAIM, C1 = Claim("form", FORM), Claim("charge", "c1")
OWN, OTHER = Holder(NUMBER, ACCOUNT), Holder(OTHER_NUMBER, ACCOUNT)
HOLD = Holder(NUMBER, ACCOUNT, "id-6")
FREED = Holder(NUMBER, ACCOUNT, released=True)
CONFIRMED = (register(), observe(), ask_return(), confirm())
REVERSED = (*CONFIRMED, credit())

NAMED: list[tuple[AnyCommand, set[Claim], set[tuple[str, str]]]] = [
    (register(charges=("c1", "c2")), {Claim("document", NUMBER), C1, Claim("charge", "c2")}, set()),
    (register(replaces=replaces(OTHER_NUMBER, "r")), {Claim("document", NUMBER), C1}, {(OTHER_NUMBER, "r")}),
    (refuse_reissue("r"), set(), {(NUMBER, "r")}),
    (ask_return(), {FORM_CLAIM}, set()),
    (ask_return(red_font_form_number="no number"), set(), set()),
    (ask_simply(), set(), set()),
    (reissue("c1", "c2"), {C1, Claim("charge", "c2")}, set()),
    (confirm(), {FORM_CLAIM}, set()),
    (credit(), {Claim("document", CREDIT_NOTE)}, set()),
    *(
        (command, set[Claim](), set[tuple[str, str]]())
        for command in (
            cancel(),
            amend(),
            observe(),
            reject(),
            complete(),
            fail("r"),
            overdue("r"),
            revise("r"),
            link("r"),
        )
    ),
]


@pytest.mark.parametrize(("command", "claims", "holds"), NAMED)
def test_a_command_names_what_it_bears_on(command: AnyCommand, claims: set[Claim], holds: set[tuple[str, str]]) -> None:
    assert needed_by(command) == Needed(frozenset(claims), frozenset(holds))


@pytest.mark.parametrize(
    ("given", "claims"),
    [
        (CONFIRMED[:2], {C1}),
        (CONFIRMED[:3], {C1, FORM_CLAIM}),
        (CONFIRMED, {C1, FORM_CLAIM}),
        ((register(), observe("not_recorded"), ask_simply()), {C1}),
        ((register(), observe("not_recorded"), ask_simply(), confirm()), {C1, FORM_CLAIM}),
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
    scenario.given(credit())
    assert holder() == FREED
    scenario.given(reissue("c1"))
    assert holder() == HOLD
    scenario.given(refuse_reissue("id-6"))
    assert holder() == FREED
    scenario.given(reissue("c1"), register(OTHER_NUMBER, replaces=replaces(NUMBER, "id-8")))
    assert holder() == OTHER
    assert scenario.claims[FORM_CLAIM] == scenario.claims[Claim("document", CREDIT_NOTE)] == OWN


def test_of_two_invoices_that_race_for_a_form_in_one_batch_the_first_wins(scenario: Scenario) -> None:
    other = (register(OTHER_NUMBER, charges=("c2",)), observe(number=OTHER_NUMBER))
    scenario.given(register(), observe(), *other)
    codes, net = batch(scenario, ask_return(), ask_return(OTHER_NUMBER))
    assert codes == [None, "RED_FONT_FORM_ALREADY_USED"]
    assert net == [ClaimChange(FORM_CLAIM, None, OWN)]


def test_in_one_batch_one_invoice_frees_what_another_takes(scenario: Scenario) -> None:
    scenario.given(*CONFIRMED)
    codes, net = batch(scenario, register(OTHER_NUMBER), credit(), register(OTHER_NUMBER))
    assert codes == ["CHARGE_ALREADY_INVOICED", None, None]
    assert net == [
        ClaimChange(C1, OWN, OTHER),
        ClaimChange(Claim("document", OTHER_NUMBER), None, OTHER),
        ClaimChange(Claim("document", CREDIT_NOTE), None, OWN),
    ]


def test_in_one_batch_a_hold_is_made_and_taken_over(scenario: Scenario) -> None:
    scenario.given(*REVERSED)
    replacement = register(OTHER_NUMBER, replaces=replaces(NUMBER, "batch-0"))
    codes, net = batch(scenario, reissue("c1"), replacement, replacement, refuse_reissue("batch-0"))
    assert codes == [None, None, "INVOICE_ALREADY_REGISTERED", "REISSUE_NOT_FOUND"]
    assert net == [ClaimChange(C1, FREED, OTHER), ClaimChange(Claim("document", OTHER_NUMBER), None, OTHER)]


def test_a_value_that_returns_within_one_batch_is_not_a_change(scenario: Scenario) -> None:
    scenario.given(*REVERSED)
    codes, net = batch(scenario, reissue("c1"), refuse_reissue("batch-0"))
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
        overlay.apply([ClaimChange(FORM_CLAIM, None, OWN), ClaimChange(C1, OWN, None)])
    assert overlay.net() == []
    assert overlay.holder(FORM_CLAIM) is None


def test_loaded_holds_are_found_by_their_full_name() -> None:
    overlay = Overlay({C1: HOLD, Claim("charge", "c2"): HOLD, Claim("charge", "c3"): OWN})
    assert overlay.held_by(HOLD) == {"c1", "c2"}
    assert overlay.held_by(OWN) == frozenset()
    assert overlay.held_by(Holder(NUMBER, "another", "id-6")) == frozenset()
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
