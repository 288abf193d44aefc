"""Every code of the rules, and every event, through real Kafka."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.end_to_end.support.client import Answered, Client, connected
from tests.end_to_end.support.stories import STORIES, Story, filled, ids_of, outcome
from tests.faults.support.roles import Roles
from tests.service.support.orders import ask_simply, observe, register
from transport.addresses import Addresses


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


async def play(client: Client, story: Story) -> Answered:
    ids: dict[str, str] = {}
    for command in story.given:
        answered = await client.submit(filled(command, ids))
        assert "code" not in answered.reply, answered.reply
        ids |= ids_of(answered.events)
    return await client.submit(filled(story.when, ids))


async def test_every_story_ends_so_through_kafka_too(client: Client) -> None:
    """All at once, each about invoices of its own."""
    stories = [story.about(index) for index, (_, story) in enumerate(STORIES.values(), 1)]
    ends = await asyncio.gather(*(play(client, story) for story in stories))
    assert [end.reply.get("code") or outcome(end.events) for end in ends] == [code for code, _ in STORIES.values()]
    for end in ends:
        assert ("message" in end.reply) == ("code" in end.reply)
        assert not end.reply["replayed"]


async def test_a_policy_switch_is_a_setting_and_is_named_in_the_refusal_it_causes(
    addresses: Addresses, tmp_path: Path
) -> None:
    """By the law a recorded general invoice needs a form too."""
    roles = Roles(addresses, tmp_path, {"REDLETTER_GENERAL_RECORDED_ROUTE": "form"})
    roles.start("worker", "relay")
    try:
        async with connected(addresses.kafka) as client:
            answered = await play(client, Story((register(kind="general"), observe()), ask_simply()))
    finally:
        roles.leave()
    assert answered.answer == "RED_FONT_FORM_NUMBER_REQUIRED"
    assert "REDLETTER_GENERAL_RECORDED_ROUTE=form" in answered.reply["message"]
    assert answered.reply["details"]["faults"][0]["policy"] == "REDLETTER_GENERAL_RECORDED_ROUTE=form"
