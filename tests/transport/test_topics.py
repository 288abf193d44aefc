"""Topics are created with their settings, and never silently differ from them."""

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from events.topics import EVENTS, RELAY, STATUS
from transport import topics
from transport.addresses import Addresses
from transport.topics import TopicMismatch

pytestmark = pytest.mark.integration


async def test_every_topic_has_the_partition_count_it_was_told_but_the_relay_has_one(addresses: Addresses) -> None:
    counts = await topics.partition_counts(addresses.kafka)
    assert counts[RELAY] == 1
    assert {count for name, count in counts.items() if name != RELAY} == {8}


async def test_creating_the_topics_again_changes_nothing(addresses: Addresses) -> None:
    before = await topics.partition_counts(addresses.kafka)
    await topics.ensure(addresses.kafka, 8)
    assert await topics.partition_counts(addresses.kafka) == before


async def test_a_wrong_partition_count_is_said_loudly_and_says_which(addresses: Addresses) -> None:
    with pytest.raises(TopicMismatch, match=r"invoice\.events has 8 partitions and should have 4"):
        await topics.ensure(addresses.kafka, 4)


async def test_events_are_kept_for_ever_and_status_is_compacted(addresses: Addresses) -> None:
    assert (await config(addresses, EVENTS))["retention.ms"] == "-1"
    assert (await config(addresses, STATUS))["cleanup.policy"] == "compact"


async def config(addresses: Addresses, topic: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=addresses.kafka)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await admin.close()
    return {name: value for name, value, *_ in answer.resources[0][4]}
