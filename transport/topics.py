"""Topics are created with their settings, and never silently differ from them."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Protocol, cast

import structlog
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from transport.clients import kafka
from transport.clients.kafka import KafkaAdmin
from transport.topic_settings import set_topic_settings

log = structlog.get_logger(__name__)

VISIBLE_WITHIN = 30.0
"""Seconds in which a broker must know of a topic that its controller created."""
MAX_REPLICAS = 3
"""Replicas of each partition, where there are as many brokers."""
MIN_REPLICAS_IN_SYNC = 2
"""Replicas that must have a record before it counts as written, where there are `MAX_REPLICAS`."""
_ROLE = "topics"


class TopicSpec(Protocol):
    """What a topic is created with."""

    @property
    def name(self) -> str:
        """The topic's name."""
        ...

    def config(self) -> dict[str, str]:
        """Return the topic's settings in Kafka's own words; Kafka's other settings are not touched."""
        ...


class TopicMismatch(Exception):
    """Topics exist with another partition count than they should have. counts: of those topics, by name."""

    def __init__(self, message: str, counts: Mapping[str, int]) -> None:
        super().__init__(message)
        self.counts = counts


async def ensure(bootstrap: str, topics: Collection[TopicSpec], partitions: int) -> None:
    """Create the topics that are missing, and bring the settings of the others in line.

    Settings that a topic's `config` does not name stay as whoever runs Kafka has made them.

    partitions: of every topic.

    Raises: TopicMismatch for a wrong partition count, which no setting can mend; KafkaError.
    """
    async with kafka.admin(bootstrap, _ROLE) as admin:
        brokers = len((await admin.describe_cluster())["brokers"])
        names = {topic.name for topic in topics}
        existing = await _described(admin, names)
        _check_counts({name: one.partitions for name, one in existing.items()}, partitions)
        _compare_replicas(existing, brokers)
        await _create(admin, [topic for topic in topics if topic.name not in existing], partitions, brokers)
        await _configure(admin, [topic for topic in topics if topic.name in existing], existing)
        await _wait_until_visible(admin, names)


async def partition_counts(bootstrap: str, names: Collection[str]) -> dict[str, int]:
    """Return how many partitions each topic has; one that does not exist is left out."""
    async with kafka.admin(bootstrap, _ROLE) as admin:
        return {name: one.partitions for name, one in (await _described(admin, names)).items()}


class _Existing(NamedTuple):
    """A topic as it is: how many partitions, and how many replicas the least replicated of them has."""

    partitions: int
    replicas: int


async def _described(admin: KafkaAdmin, wanted: Collection[str]) -> dict[str, _Existing]:
    names = set(wanted).intersection(await admin.list_topics())
    described = await admin.describe_topics(sorted(names)) if names else []
    return {
        topic["topic"]: _Existing(len(topic["partitions"]), min(len(one["replicas"]) for one in topic["partitions"]))
        for topic in described
        if topic["partitions"]
    }


def _compare_replicas(existing: Mapping[str, _Existing], brokers: int) -> None:
    """Warn of topics with fewer replicas than the brokers allow: their partitions should be reassigned."""
    wanted = min(MAX_REPLICAS, brokers)
    for name, one in existing.items():
        if one.replicas < wanted:
            log.warning("topic_has_too_few_replicas", topic=name, replicas=one.replicas, wanted=wanted)


def _check_counts(existing: Mapping[str, int], wanted: int) -> None:
    if wrong := {name: count for name, count in existing.items() if count != wanted}:
        found = "; ".join(f"{name} has {count} partitions and should have {wanted}" for name, count in wrong.items())
        raise TopicMismatch(found, wrong)


async def _create(admin: KafkaAdmin, missing: Collection[TopicSpec], partitions: int, brokers: int) -> None:
    replicas = min(MAX_REPLICAS, brokers)
    new = [NewTopic(topic.name, partitions, replicas, topic_configs=_settings(topic, replicas)) for topic in missing]
    if not new:
        return
    response: Any = await admin.create_topics(new)
    for name, code, *_ in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(name)
        log.info("topic_created", topic=name)


def _settings(topic: TopicSpec, replicas: int) -> dict[str, str]:
    """Return the settings to make. With one replica in sync a write could be lost with one broker."""
    return topic.config() | ({"min.insync.replicas": str(MIN_REPLICAS_IN_SYNC)} if replicas >= MAX_REPLICAS else {})


async def _configure(admin: KafkaAdmin, topics: Collection[TopicSpec], existing: Mapping[str, _Existing]) -> None:
    if not topics:
        return
    current = await _current(admin, topics)
    changed = {topic.name: _changes(topic, existing[topic.name].replicas, current[topic.name]) for topic in topics}
    if wanted := {name: settings for name, settings in changed.items() if settings}:
        await set_topic_settings(admin, wanted)
    for name, settings in changed.items():
        for setting, value in settings.items():
            log.info("topic_setting_changed", topic=name, setting=setting, was=current[name].get(setting), now=value)


def _changes(topic: TopicSpec, replicas: int, current: Mapping[str, str]) -> dict[str, str]:
    """Return the settings to change; a higher min.insync.replicas is kept."""
    wanted = _settings(topic, replicas)
    if int(current["min.insync.replicas"]) > MIN_REPLICAS_IN_SYNC:
        wanted.pop("min.insync.replicas", None)
    return {name: value for name, value in wanted.items() if current.get(name) != value}


async def _current(admin: KafkaAdmin, topics: Collection[TopicSpec]) -> dict[str, dict[str, str]]:
    """Return all settings of each topic as they are."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in topics]
    found: dict[str, dict[str, str]] = {}
    for response in cast("list[Any]", await admin.describe_configs(resources)):
        for code, reason, _, name, entries in response.resources:
            if code:
                msg = f"{name}: {reason}"
                raise for_code(code)(msg)
            found[name] = {setting: value for setting, value, *_ in entries}
    return found


async def _wait_until_visible(admin: KafkaAdmin, names: set[str]) -> None:
    """Wait until the broker knows every topic: it learns of them a moment after the controller created them."""
    async with asyncio.timeout(VISIBLE_WITHIN):
        while not names <= set(await _described(admin, names)):  # noqa: ASYNC110 - Kafka sends no notice
            await asyncio.sleep(0.05)
