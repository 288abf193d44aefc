"""Whatever is published, by any client with any codec, ends as a reply or a dead letter on the topics of real Kafka."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Producer

from events.replies import reply_id
from events.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, REPLIES_TOPIC
from tests.end_to_end.support.system import system
from tests.faults.support.evidence import (
    Replies,
    assert_no_gap_and_no_duplicate,
    assert_read_model_is_a_fold_of,
    everything,
    headers,
)
from tests.faults.support.hurt_records import CODECS, MAX_RESIDENT_BYTES, Anything, Hurt
from tests.faults.support.load import SOURCE, scripts
from tests.faults.support.publishing import Outside
from tests.faults.support.roles import Roles
from tests.support.fresh_system import PARTITIONS
from tests.support.scale import SCALE, SEED
from transport.addresses import Addresses

SENT = 1000 * SCALE
ABREAST = 50
"""Records that a publisher has on their way at once."""
ENDED_WITHIN = 120.0
"""Seconds until the last record must have ended as something."""
ROLES = ("worker", "relay", "projector", "clock", "api")
LARGEST_MESSAGE = 16 * 1024 * 1024
Place = tuple[str, int, int]
"""Topic, partition and offset of a record."""


def publish(bootstrap: str, records: Iterable[Hurt]) -> list[Place]:
    """Publish records with a client of another make, and return the places of those that the broker took."""
    producers = {
        codec: Producer(
            {
                "bootstrap.servers": bootstrap,
                "compression.type": codec,
                "message.max.bytes": LARGEST_MESSAGE,
                "linger.ms": 1,
                "batch.num.messages": 20,
            }
        )
        for codec in CODECS
    }
    taken: list[Place] = []

    def delivered(error: object, message: Any) -> None:
        if error is None:
            taken.append((message.topic(), message.partition(), message.offset()))

    for number, record in enumerate(records, 1):
        producers[record.codec].produce(
            record.topic, record.value, record.key, headers=list(record.headers), on_delivery=delivered
        )
        if number % ABREAST == 0:
            for producer in producers.values():
                producer.flush()
    for producer in producers.values():
        assert producer.flush(60) == 0
    return taken


@asynccontextmanager
async def measured(roles: Roles) -> AsyncGenerator[dict[str, int]]:
    """Watch the resident memory of every role, and report each one's maximum in bytes."""
    most: Counter[str] = Counter()

    async def watch() -> None:
        while True:
            for name, process in roles.running.items():
                most[name] = max(most[name], psutil.Process(process.pid).memory_info().rss)
            await asyncio.sleep(0.1)

    watching = asyncio.create_task(watch())
    try:
        yield most
    finally:
        watching.cancel()


async def ends(bootstrap: str) -> tuple[Counter[str], Counter[str]]:
    """Return how often each place has a reply, and how often a dead letter."""
    replies = Counter(headers(record)["ce_id"] for record in await everything(bootstrap, REPLIES_TOPIC))
    dead = Counter(_buried(dict(record.headers)) for record in await everything(bootstrap, DEAD_LETTERS_TOPIC))
    return replies, dead


def _buried(headers: Mapping[str, bytes | None]) -> str:
    assert headers["dl_reason"] in {b"MALFORMED_COMMAND", b"TOO_LARGE"}
    topic, partition, offset = ((headers[name] or b"").decode() for name in ("dl_topic", "dl_partition", "dl_offset"))
    return reply_id(topic, int(partition), int(offset))


async def all_ended(bootstrap: str, sent: set[str]) -> None:
    """Wait until every record has ended; then check that each has once, and that no other is buried."""
    replies, dead = Counter[str](), Counter[str]()
    try:
        async with asyncio.timeout(ENDED_WITHIN):
            while sent - replies.keys() - dead.keys():
                replies, dead = await ends(bootstrap)
    except TimeoutError:
        assert sent - replies.keys() - dead.keys() == set()
    assert {place: times for place, times in [*replies.items(), *dead.items()] if times > 1} == {}
    assert dead.keys() - sent == set()


async def test_whatever_is_published_ends_as_a_reply_or_a_dead_letter_and_harms_no_neighbour(
    addresses: Addresses, tmp_path: Path
) -> None:
    outside = Outside(addresses.kafka, PARTITIONS, SEED)
    async with system(addresses, tmp_path, *ROLES) as (roles, http), measured(roles) as memory:
        hurt = asyncio.to_thread(publish, addresses.kafka, Anything(SEED).records(SENT))
        places, _ = await asyncio.gather(hurt, outside.play(scripts(4 * PARTITIONS)))
        assert len(places) > SENT * 0.98
        await all_ended(addresses.kafka, {reply_id(*place) for place in places})
        replies = await everything(addresses.kafka, REPLIES_TOPIC)
        assert [record for record in replies if b'"INTERNAL_FAULT"' in (record.value or b"")] == []
        neighbours = [record for record in replies if SOURCE.encode() in (record.value or b"")]
        Replies.of(neighbours).assert_answer(outside.sent)
        events = await everything(addresses.kafka, EVENTS_TOPIC)
        assert_no_gap_and_no_duplicate(events)
        await assert_read_model_is_a_fold_of(events, addresses)
        codes = {reason["code"] for reason in (await http.get("/readyz")).json()["reasons"]}
        assert codes <= {"CALENDAR_ENDS", "ROLE_MISSING"}
    assert {name: most for name, most in memory.items() if most > MAX_RESIDENT_BYTES} == {}
    assert memory.keys() == set(ROLES)
