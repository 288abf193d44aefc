"""Every code of the rules, and every event, has a story, and the rules end it so."""

from typing import get_args

import pytest

from events.catalogue import EVENT_TYPES
from events.codes import RuleCode
from service.invoice import form_fit
from service.invoice.refusals import Refusal
from tests.service.support.scenario import Scenario
from tests.whole.support.stories import ACCEPTED, ENDS, REFUSALS, STORIES, Story, filled, ids_of, outcome


def test_every_code_and_every_event_has_its_story() -> None:
    assert set(REFUSALS) == set(get_args(RuleCode))
    assert set(form_fit._BY_STATE.values()) <= set(ENDS)  # pyright: ignore[reportPrivateUsage] - the whole table
    overdue_and_refused = {"ReturnOverdue", "ReturnRefused"}  # one needs days to pass, the other has many stories
    assert {f"{name}.v1" for name in {*ACCEPTED, *overdue_and_refused}} == set(EVENT_TYPES)


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
