"""Topics are created with their settings, and never silently differ from them."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from events.topics import RELAY_TOPIC, TOPICS, Topic
from transport.incremental import set_topic_settings

log = structlog.get_logger(__name__)


VISIBLE_WITHIN = 30.0
"""Seconds in which a broker must know of a topic that its controller created."""


class TopicMismatch(Exception):
    """A topic that exists has another partition count than the system was told to have."""


MOST_REPLICAS = 3
"""Replicas of each partition, where there are as many brokers."""
LEAST_IN_SYNC = 2
"""Replicas that must have a record before it counts as written, where there are as many as we want."""


async def ensure(bootstrap: str, partitions: int) -> None:
    """Create the topics that are missing, and bring the settings of the others in line.

    Settings that are not ours stay as whoever runs Kafka has made them.

    partitions: of every topic.

    Raises: TopicMismatch for a wrong partition count, which no setting can mend; KafkaError.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    await admin.start()
    try:
        brokers = len((await admin.describe_cluster())["brokers"])
        existing = await _described(admin)
        _check({name: one.partitions for name, one in existing.items()}, partitions)
        _compare_replicas(existing, brokers)
        await _create(admin, [topic for topic in TOPICS if topic.name not in existing], partitions, brokers)
        await _configure(admin, existing)
        await _all_visible(admin)
    finally:
        await admin.close()


async def partition_counts(bootstrap: str) -> dict[str, int]:
    """Return how many partitions each topic of the system has; one that does not exist is left out."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    await admin.start()
    try:
        return {name: one.partitions for name, one in (await _described(admin)).items()}
    finally:
        await admin.close()


class _Existing(NamedTuple):
    """A topic as it is: how many partitions, and how many replicas the least replicated of them has."""

    partitions: int
    replicas: int


async def _described(admin: AIOKafkaAdminClient) -> dict[str, _Existing]:
    names = {topic.name for topic in TOPICS} & set(await admin.list_topics())
    described = await admin.describe_topics(sorted(names)) if names else []
    return {
        topic["topic"]: _Existing(len(topic["partitions"]), min(len(one["replicas"]) for one in topic["partitions"]))
        for topic in described
        if topic["partitions"]
    }


def _compare_replicas(existing: Mapping[str, _Existing], brokers: int) -> None:
    """Say which topics have fewer replicas than the brokers allow, as those made while brokers were away."""
    wanted = min(MOST_REPLICAS, brokers)
    for name, one in existing.items():
        if one.replicas < wanted:
            log.warning(
                "topic has too few replicas; reassign its partitions", topic=name, has=one.replicas, want=wanted
            )


def _check(existing: Mapping[str, int], partitions: int) -> None:
    wrong = [
        f"{topic.name} has {existing[topic.name]} partitions and should have {partitions}"
        for topic in TOPICS
        if topic.name in existing and existing[topic.name] != partitions
    ]
    if not wrong:
        return
    told = "; ".join(wrong)
    if existing.get(RELAY_TOPIC) == 1 and len(wrong) == 1:
        msg = f"{told}: it was made before the log had partitions. Start with empty topics and an empty database"
    else:
        msg = f"{told}. Set REDLETTER_TOPIC_PARTITIONS to the count the topics have, or start with empty topics"
    raise TopicMismatch(msg)


async def _create(admin: AIOKafkaAdminClient, missing: Iterable[Topic], partitions: int, brokers: int) -> None:
    replicas = min(MOST_REPLICAS, brokers)
    new = [NewTopic(topic.name, partitions, replicas, topic_configs=_settings(topic, replicas)) for topic in missing]
    if not new:
        return
    answer: Any = await admin.create_topics(new)
    for name, code, *_ in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(name)
        log.info("topic created", topic=name)


def _settings(topic: Topic, replicas: int) -> dict[str, str]:
    """Return the settings that are ours. With one replica in sync a write could be lost with one broker."""
    return topic.config() | ({"min.insync.replicas": str(LEAST_IN_SYNC)} if replicas >= MOST_REPLICAS else {})


async def _configure(admin: AIOKafkaAdminClient, existing: Mapping[str, _Existing]) -> None:
    topics = [topic for topic in TOPICS if topic.name in existing]
    if not topics:
        return
    current = await _current(admin, topics)
    changed = {topic.name: _changes(topic, existing[topic.name].replicas, current[topic.name]) for topic in topics}
    if wanted := {name: settings for name, settings in changed.items() if settings}:
        await set_topic_settings(admin, wanted)
    for name, settings in changed.items():
        for setting, value in settings.items():
            log.info("topic setting changed", topic=name, setting=setting, was=current[name].get(setting), now=value)


def _changes(topic: Topic, replicas: int, current: Mapping[str, str]) -> dict[str, str]:
    """Return our settings that differ; more replicas in sync than we ask for are left."""
    wanted = _settings(topic, replicas)
    if int(current["min.insync.replicas"]) > LEAST_IN_SYNC:
        wanted.pop("min.insync.replicas", None)
    return {name: value for name, value in wanted.items() if current.get(name) != value}


async def _current(admin: AIOKafkaAdminClient, topics: Iterable[Topic]) -> dict[str, dict[str, str]]:
    """Return all settings of each topic as they are."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in topics]
    found: dict[str, dict[str, str]] = {}
    for answer in cast("list[Any]", await admin.describe_configs(resources)):
        for code, reason, _, name, entries in answer.resources:
            if code:
                msg = f"{name}: {reason}"
                raise for_code(code)(msg)
            found[name] = {setting: value for setting, value, *_ in entries}
    return found


async def _all_visible(admin: AIOKafkaAdminClient) -> None:
    """Wait until the broker knows of every topic: it learns of them a moment after they are created."""
    names = {topic.name for topic in TOPICS}
    async with asyncio.timeout(VISIBLE_WITHIN):
        while not names <= set(await _described(admin)):  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(0.05)
