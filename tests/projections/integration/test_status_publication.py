"""The status documents of the outbox are published by the owner of their partition alone."""

import json
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from aiokafka.errors import KafkaError

from events.topics import STATUS_TOPIC
from projections.publication import failures, outbox, publisher
from projections.publication.publisher import status_publisher
from tests.projections.support import facts
from tests.projections.support.projected import statuses, stopped
from tests.support.tasks import running
from tests.support.waiting import until
from transport import outbox as outbox_publishing
from transport.addresses import Addresses
from transport.producer import Fenced, FencedProducers
from transport.records import OutgoingRecord


async def test_a_projector_that_lost_a_partition_cannot_put_an_old_document_on_top(addresses: Addresses) -> None:
    """As when it was frozen after reading, and woke up after another had taken over."""
    stale = FencedProducers(addresses.kafka, publisher.NAME)
    await stale.own(frozenset({0}))
    old = OutgoingRecord(STATUS_TOPIC, facts.NUMBER.encode(), b'{"version": 1}', [])
    await stale.publish(0, [old])
    owner = FencedProducers(addresses.kafka, publisher.NAME)
    await owner.own(frozenset({0}))
    await owner.publish(0, [OutgoingRecord(STATUS_TOPIC, facts.NUMBER.encode(), b'{"version": 2}', [])])
    with pytest.raises(Fenced):
        await stale.publish(0, [old])
    async with statuses(addresses) as read:

        async def both() -> bool:
            return [document.body["version"] for document in await read()] == [1, 2]

        await until(both)
    await stale.close()
    await owner.close()


async def test_a_fenced_publisher_leaves_the_document_and_the_partition_to_the_owner(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_publishing, "STAND_OFF_SECONDS", 3600.0)
    stale = status_publisher(addresses)
    await stale.assigned(frozenset({0}))
    async with running(stale.run()), statuses(addresses) as read:
        await put(addresses, version=1)

        async def published(count: int) -> bool:
            return len(await read()) == count

        await until(lambda: published(1))
        owner = FencedProducers(addresses.kafka, publisher.NAME)
        await owner.own(frozenset({0}))
        await put(addresses, version=2)
        stale.wake()

        async def left() -> bool:
            return bool(stale._left_until)  # pyright: ignore[reportPrivateUsage] - nothing else shows it

        await until(left)
        assert await published(1)
        await owner.close()
        await stale.assigned(frozenset({0}))
        await until(lambda: published(2))


async def test_documents_that_cannot_be_published_are_reported_until_they_can_be(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "STOPPED_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(publisher, "PAUSE_SECONDS", 0.1)
    publish_one = FencedProducers.publish
    away: list[bool] = [True]

    async def publishing(producers: FencedProducers, partition: int, documents: Sequence[OutgoingRecord]) -> None:
        if away:
            raise KafkaError("the broker is away")
        await publish_one(producers, partition, documents)

    async def stops() -> list[tuple[str, list[int], str]]:
        return [(one.model, one.partitions, one.why) for one in await stopped(addresses)]

    monkeypatch.setattr(FencedProducers, "publish", publishing)
    works = status_publisher(addresses)
    await works.assigned(frozenset({0, 1}))
    async with running(works.run()), statuses(addresses) as read:
        await put(addresses, version=1)

        async def reported_as_stopped() -> bool:
            return await stops() == [("status publication", [0], "KafkaError: KafkaError: the broker is away")]

        async def published() -> bool:
            return len(await read()) == 1 and not await stops()

        await until(reported_as_stopped)
        away.clear()
        await until(published)


async def test_a_partition_is_taken_before_its_documents_are_read(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = FencedProducers(addresses.kafka, publisher.NAME)
    await earlier.own(frozenset({0}))
    fenced_by_then: list[bool] = []
    read = outbox.pending

    async def reading(*asked: Any) -> list[outbox.UnpublishedDocument]:
        if not fenced_by_then:
            try:
                await earlier.publish(0, [OutgoingRecord(STATUS_TOPIC, b"", b"{}", [])])
            except Fenced:
                fenced_by_then.append(True)
            else:
                fenced_by_then.append(False)
        return await read(*asked)

    monkeypatch.setattr(outbox, "pending", reading)
    later = status_publisher(addresses)
    await later.assigned(frozenset({0}))
    async with running(later.run()):

        async def asked() -> bool:
            return bool(fenced_by_then)

        await until(asked)
    assert fenced_by_then == [True]
    await earlier.close()


async def put(addresses: Addresses, version: int) -> None:
    """Change the status document of one invoice of partition 0."""
    async with await psycopg.AsyncConnection.connect(addresses.database) as connection:
        await connection.execute("delete from projections.status")
        await connection.execute(
            "insert into projections.status values (%s, %s, 'a', %s)",
            (facts.NUMBER, version, json.dumps({"version": version})),
        )
        await connection.execute(
            "insert into projections.status_outbox values (%s, %s, 0, now(), 'cause', 'correlation', null)",
            (facts.NUMBER, version),
        )
