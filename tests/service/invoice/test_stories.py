"""Every code of the rules, and every event, has a story, and the rules end it so."""

from collections.abc import Iterator
from string import Formatter
from typing import Any, cast, get_args

import pytest

from events.catalogue import EVENT_TYPES
from events.refusal_codes import Code, EndingCode, RuleCode
from service.invoice import form_fit
from service.invoice.endings import ENDINGS
from service.invoice.refusal_kinds import KINDS
from service.invoice.refusals import Refusal
from tests.end_to_end.support import stories
from tests.end_to_end.support.stories import ACCEPTED, ENDS, REFUSALS, STORIES, Story, filled, ids_of, outcome
from tests.service.support.scenario import Scenario


def test_every_code_and_every_event_has_its_story() -> None:
    assert set(REFUSALS) == set(get_args(RuleCode)) - stories.WITH_SEALING
    assert set(form_fit._BY_STATE.values()) <= set(ENDS)  # pyright: ignore[reportPrivateUsage] - the whole table
    overdue_and_refused = {"ReturnOverdue", "ReturnRefused"}  # one needs days to pass, the other has many stories
    named = {*ACCEPTED, *overdue_and_refused, *stories.WITH_SEALING}
    assert {f"{name}.v1" for name in named} >= set(EVENT_TYPES)


@pytest.mark.parametrize(("code", "story"), STORIES.values(), ids=STORIES)
def test_the_rules_answer_every_story_as_it_ends(code: str, story: Story) -> None:
    scenario = Scenario()
    ids: dict[str, str] = {}
    for command in story.given:
        scenario.given(filled(command, ids))
        assert isinstance(scenario.decision, tuple)
        ids |= ids_of(scenario.decision)
    decision = scenario.when(filled(story.when, ids)).decision
    assert (decision.code if isinstance(decision, Refusal) else outcome(decision)) == code
    if isinstance(decision, Refusal):
        for refused_for, facts in told(decision):
            assert facts <= set(KINDS[refused_for].facts), refused_for


def told(refusal: Refusal) -> Iterator[tuple[Code, set[str]]]:
    """Yield the names of the facts: of the refusal, or of each field's fault."""
    match refusal.details:
        case {"faults": [*faults]}:
            for fault in cast("list[dict[str, Any]]", faults):
                yield fault["code"], set(fault) - {"code", "field", "message"}
        case facts:
            yield refusal.code, set(facts)


@pytest.mark.parametrize("code", get_args(Code))
def test_what_a_sentence_of_a_refusal_names_is_a_fact_of_it(code: Code) -> None:
    named = {name for _, name, _, _ in Formatter().parse(KINDS[code].sentence) if name}
    assert named - {"said"} <= set(KINDS[code].facts)


def test_every_ending_of_a_return_has_its_sentence() -> None:
    assert set(ENDINGS) == set(get_args(EndingCode))
