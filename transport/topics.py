"""Topics are created with their settings, and never silently differ from them."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from events.topics import TOPICS, Topic

log = structlog.get_logger(__name__)


VISIBLE_WITHIN = 30.0
"""Seconds in which a broker must know of a topic that its controller created."""


class TopicMismatch(Exception):
    """A topic that exists has another partition count than the system was told to have."""


MOST_REPLICAS = 3
"""Replicas of each partition, where there are as many brokers."""


async def ensure(bootstrap: str, partitions: int) -> None:
    """Create the topics that are missing, and bring the settings of the others in line.

    partitions: of every topic but those with a count of their own.

    Raises: TopicMismatch for a wrong partition count, which no setting can mend.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    await admin.start()
    try:
        existing = await _partition_counts(admin)
        _check(existing, partitions)
        await _create(admin, [topic for topic in TOPICS if topic.name not in existing], partitions)
        await _configure(admin, [topic for topic in TOPICS if topic.name in existing])
        await _all_visible(admin)
    finally:
        await admin.close()


async def partition_counts(bootstrap: str) -> dict[str, int]:
    """Return how many partitions each topic of the system has; one that does not exist is left out."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    await admin.start()
    try:
        return await _partition_counts(admin)
    finally:
        await admin.close()


async def _partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    names = {topic.name for topic in TOPICS} & set(await admin.list_topics())
    described = await admin.describe_topics(sorted(names)) if names else []
    return {topic["topic"]: len(topic["partitions"]) for topic in described}


def _check(existing: Mapping[str, int], partitions: int) -> None:
    wrong = [
        f"{topic.name} has {existing[topic.name]} partitions and should have {topic.partitions or partitions}"
        for topic in TOPICS
        if topic.name in existing and existing[topic.name] != (topic.partitions or partitions)
    ]
    if wrong:
        told = "; ".join(wrong)
        msg = f"{told}. Set REDLETTER_TOPIC_PARTITIONS to the count the topics have, or start with empty topics"
        raise TopicMismatch(msg)


async def _create(admin: AIOKafkaAdminClient, missing: Iterable[Topic], partitions: int) -> None:
    brokers = len((await admin.describe_cluster())["brokers"])
    replication = min(MOST_REPLICAS, brokers)
    new = [
        NewTopic(topic.name, topic.partitions or partitions, replication, topic_configs=topic.config())
        for topic in missing
    ]
    if not new:
        return
    answer: Any = await admin.create_topics(new)
    for name, code, *_ in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(name)
        log.info("topic created", topic=name)


async def _configure(admin: AIOKafkaAdminClient, existing: Iterable[Topic]) -> None:
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name, topic.config()) for topic in existing]
    if resources:
        await admin.alter_configs(resources)


async def _all_visible(admin: AIOKafkaAdminClient) -> None:
    """Wait until the broker knows of every topic: it learns of them a moment after they are created."""
    names = {topic.name for topic in TOPICS}
    async with asyncio.timeout(VISIBLE_WITHIN):
        while not names <= set(await _partition_counts(admin)):  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(0.05)
