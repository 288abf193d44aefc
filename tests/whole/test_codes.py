"""Every code of the rules, and every event: once on the rules alone, and once through real Kafka."""

# pyright: reportPrivateUsage=false

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import pytest

from events.catalogue import EVENT_TYPES
from events.invoice_events import AnyInvoiceEvent, ReissueRequested, ReturnRefused, ReturnRequested
from service.invoice import form_fit
from service.invoice.refusal_kinds import RuleCode
from service.invoice.refusals import Refusal
from tests.faults.support.running import Roles
from tests.service.support.orders import ask_simply, observe, register
from tests.service.support.scenario import Scenario
from tests.whole.support.client import Client, Told, connected
from tests.whole.support.stories import ACCEPTED, ENDS, REFUSALS, REISSUE, RETURN, Story, filled
from transport.addresses import Addresses

ALL = {
    **{f"{code} refuses": (code, story) for code, story in REFUSALS.items()},
    **{f"{code} ends": (code, story) for code, story in ENDS.items()},
    **{f"{name} happens": (name, story) for name, story in ACCEPTED.items()},
}


def ids_of(events: tuple[AnyInvoiceEvent, ...]) -> dict[str, str]:
    """Return what the ids of a story stand for after these events."""
    found: dict[str, str] = {}
    for event in events:
        if isinstance(event, ReturnRequested):
            found[RETURN] = event.return_id
        if isinstance(event, ReissueRequested):
            found[REISSUE] = event.reissue_id
    return found


def outcome(events: tuple[AnyInvoiceEvent, ...]) -> str:
    """Return the code that a return ended with, or the name of the last event."""
    event = events[-1]
    return event.code if isinstance(event, ReturnRefused) else type(event).__name__


def test_every_code_and_every_event_has_its_story() -> None:
    assert set(REFUSALS) == set(get_args(RuleCode))
    assert set(form_fit._BY_STATE.values()) <= set(ENDS)
    overdue_and_refused = {"ReturnOverdue", "ReturnRefused"}  # one needs days to pass, the other has many stories
    assert {f"{name}.v1" for name in {*ACCEPTED, *overdue_and_refused}} == set(EVENT_TYPES)


@pytest.mark.parametrize(("code", "story"), ALL.values(), ids=ALL)
def test_the_rules_answer_every_story_as_it_ends(code: str, story: Story) -> None:
    scenario = Scenario()
    ids: dict[str, str] = {}
    for command in story.given:
        scenario.given(filled(command, ids))
        assert isinstance(scenario.decision, tuple)
        ids |= ids_of(scenario.decision)
    decision = scenario.when(filled(story.when, ids)).decision
    assert (decision.code if isinstance(decision, Refusal) else outcome(decision)) == code


@pytest.fixture
async def client(addresses: Addresses, tmp_path: Path) -> AsyncIterator[Client]:
    """Connect to a worker and a relay."""
    roles = Roles(addresses, tmp_path)
    roles.start("worker", "relay")
    try:
        async with connected(addresses.kafka) as client:
            yield client
    finally:
        roles.leave()


async def play(client: Client, story: Story) -> Told:
    ids: dict[str, str] = {}
    for command in story.given:
        told = await client.tell(filled(command, ids))
        assert "code" not in told.reply, told.reply
        ids |= ids_of(told.events)
    return await client.tell(filled(story.when, ids))


@pytest.mark.integration
async def test_every_story_ends_so_through_kafka_too(client: Client) -> None:
    """All at once, each about invoices of its own."""
    stories = [story.about(index) for index, (_, story) in enumerate(ALL.values(), 1)]
    ends = await asyncio.gather(*(play(client, story) for story in stories))
    assert [end.reply.get("code") or outcome(end.events) for end in ends] == [code for code, _ in ALL.values()]
    for end in ends:
        assert ("message" in end.reply) == ("code" in end.reply)
        assert not end.reply["replayed"]


@pytest.mark.integration
async def test_a_policy_switch_is_a_setting_and_is_named_in_the_refusal_it_causes(
    addresses: Addresses, tmp_path: Path
) -> None:
    """By the law a recorded general invoice needs a form too."""
    roles = Roles(addresses, tmp_path, {"REDLETTER_GENERAL_RECORDED_ROUTE": "form"})
    roles.start("worker", "relay")
    try:
        async with connected(addresses.kafka) as client:
            told = await play(client, Story((register(kind="general"), observe()), ask_simply()))
    finally:
        roles.leave()
    assert told.answer == "RED_FONT_FORM_NUMBER_REQUIRED"
    assert "REDLETTER_GENERAL_RECORDED_ROUTE=form" in told.reply["message"]
    assert told.reply["details"]["faults"][0]["policy"] == "REDLETTER_GENERAL_RECORDED_ROUTE=form"
