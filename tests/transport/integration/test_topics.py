"""Topics are created with their settings, and never silently differ from them."""

import asyncio
from typing import Any, cast

import pytest
import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from events.topics import (
    DEAD_LETTERS_TOPIC,
    EVENTS_TOPIC,
    PARKED_TOPIC,
    RELAY_TOPIC,
    STATUS_TOPIC,
    TOPICS,
    Channel,
    Topic,
)
from transport import topics
from transport.addresses import Addresses
from transport.topic_settings import set_topic_settings
from transport.topics import TopicMismatch

NAMES = [topic.name for topic in TOPICS]


async def test_every_topic_gets_the_configured_number_of_partitions(addresses: Addresses) -> None:
    assert set((await topics.partition_counts(addresses.kafka, NAMES)).values()) == {8}


async def test_creating_the_topics_again_changes_nothing(addresses: Addresses) -> None:
    before = await topics.partition_counts(addresses.kafka, NAMES)
    await topics.ensure(addresses.kafka, TOPICS, 8)
    assert await topics.partition_counts(addresses.kafka, NAMES) == before


async def test_a_wrong_partition_count_is_said_loudly_and_says_which(addresses: Addresses) -> None:
    with pytest.raises(TopicMismatch, match=r"invoice\.events has 8 partitions and should have 4"):
        await topics.ensure(addresses.kafka, TOPICS, 4)


async def test_every_topic_keeps_its_records_as_long_as_promised(addresses: Addresses) -> None:
    kept = {topic.name: await config(addresses, topic.name) for topic in TOPICS}
    days = {
        name: int(now["retention.ms"]) / 86_400_000 for name, now in kept.items() if now["cleanup.policy"] == "delete"
    }
    assert days.pop(EVENTS_TOPIC) < 0
    assert {name for name, number in days.items() if number == 30} == {DEAD_LETTERS_TOPIC, PARKED_TOPIC}
    assert set(days.values()) == {7, 30}
    assert kept.keys() - days.keys() == {EVENTS_TOPIC, STATUS_TOPIC, RELAY_TOPIC}


@pytest.mark.parametrize("channel", Channel)
async def test_kafka_keeps_commands_by_its_own_clock(addresses: Addresses, channel: Channel) -> None:
    assert (await config(addresses, channel.value))["message.timestamp.type"] == "LogAppendTime"


async def test_what_redletter_writes_is_stored_as_it_was_written(addresses: Addresses) -> None:
    for name in set(NAMES) - {channel.value for channel in Channel}:
        assert (await config(addresses, name))["compression.type"] == "producer"


async def test_settings_that_are_not_ours_are_left_as_they_are_and_ours_are_put_back(addresses: Addresses) -> None:
    theirs = {"min.insync.replicas": "2", "segment.ms": "88888888", "flush.messages": "1000"}
    await change(addresses, EVENTS_TOPIC, {**theirs, "compression.type": "zstd", "retention.ms": "1000"})
    with structlog.testing.capture_logs() as lines:
        await topics.ensure(addresses.kafka, TOPICS, 8)
        async with asyncio.timeout(60):
            while (now := await config(addresses, EVENTS_TOPIC))["retention.ms"] != "-1":
                await asyncio.sleep(0.02)
    assert {name: now[name] for name in theirs} == theirs
    assert (now["compression.type"], now["retention.ms"]) == ("producer", "-1")
    changed = {(line["topic"], line["setting"], line["was"], line["now"]) for line in lines}
    assert changed == {
        (EVENTS_TOPIC, "compression.type", "zstd", "producer"),
        (EVENTS_TOPIC, "retention.ms", "1000", "-1"),
    }


async def test_a_setting_that_the_broker_refuses_is_an_error(addresses: Addresses) -> None:
    with pytest.raises(KafkaError, match=r"invoice\.events"):
        await change(addresses, EVENTS_TOPIC, {"retention.ms": "soon"})


@pytest.mark.parametrize(
    ("replicas", "current", "wanted"),
    [
        (1, "1", None),  # one broker: it could not be written at all
        (3, "1", "2"),
        (3, "2", None),
        (5, "3", None),
    ],
)
def test_with_three_replicas_two_must_have_a_record(replicas: int, current: str, wanted: str | None) -> None:
    topic = Topic(EVENTS_TOPIC, keep=None)
    changed = topics._changes(topic, replicas, topic.config() | {"min.insync.replicas": current})  # pyright: ignore[reportPrivateUsage] - only one broker is here
    assert changed == ({"min.insync.replicas": wanted} if wanted else {})


async def change(addresses: Addresses, topic: str, settings: dict[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=addresses.kafka)
    await admin.start()
    try:
        await set_topic_settings(admin, {topic: settings})
        async with asyncio.timeout(60):
            while not settings.items() <= (await config(addresses, topic)).items():  # the broker learns of it later
                await asyncio.sleep(0.02)
    finally:
        await admin.close()


async def config(addresses: Addresses, topic: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=addresses.kafka)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await admin.close()
    return {name: value for name, value, *_ in cast("Any", answer).resources[0][4]}
