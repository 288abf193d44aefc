"""The projector on real servers: from events on the topic to rows, the status topic and the HTTP answer."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

import httpx
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from psycopg.sql import SQL, Identifier
from structlog.testing import capture_logs

from events.invoice_events import AnyInvoiceEvent
from events.topics import EVENTS_TOPIC, STATUS_TOPIC
from projections import catalogue, projector, resuming
from projections.catalogue import MODELS, REBUILT
from projections.engine import health
from projections.publication import failures, outbox, publisher
from projections.publication.publisher import status_publisher
from redletter import read_models as command
from tests.projections.support import facts, naive
from tests.projections.support.published import TRACE, event_id, messages, publish
from tests.support.fresh_system import PARTITIONS
from tests.support.tasks import running
from tests.support.waiting import WITHIN, until
from tests.web.support.serving import serving
from transport import outbox as outbox_publishing
from transport.addresses import Addresses
from transport.producer import Fenced, FencedProducers
from transport.records import OutgoingRecord

STORY = (facts.issued(), facts.posting(), facts.requested(), facts.confirmed(), facts.credited(), facts.returned())
_WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"


class Document(NamedTuple):
    """A record of the status topic, read."""

    number: str
    headers: dict[str, bytes]
    body: dict[str, Any]


def story(number: str) -> Sequence[AnyInvoiceEvent]:
    return [event.model_copy(update={"invoice_number": number}) for event in STORY]


def number(count: int) -> str:
    return f"26{count:018}"


@asynccontextmanager
async def statuses(addresses: Addresses) -> AsyncGenerator[Callable[[], Awaitable[list[Document]]]]:
    """Yield a reader of all committed status documents so far."""
    consumer: Any = AIOKafkaConsumer(
        bootstrap_servers=addresses.kafka, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    seen: list[Document] = []

    async def read() -> list[Document]:
        for records in (await consumer.getmany(timeout_ms=100)).values():
            seen.extend(Document(one.key.decode(), dict(one.headers), json.loads(one.value)) for one in records)
        return seen

    async with consumer:
        consumer.assign([TopicPartition(STATUS_TOPIC, partition) for partition in range(8)])
        yield read


def newest(published: Sequence[Document]) -> dict[str, dict[str, Any]]:
    """Return what a compacted topic keeps, after checking that no document ever went back."""
    kept: dict[str, dict[str, Any]] = {}
    for number, _, body in published:
        assert body["version"] >= kept.get(number, {"version": 0})["version"], f"{number} went back"
        kept[number] = body
    return kept


async def versions(addresses: Addresses, model: str) -> dict[str, int]:
    """Return the version of each invoice that a read model has reached."""
    query = SQL("select invoice_number, version from {}").format(Identifier("projections", model))
    async with await psycopg.AsyncConnection.connect(addresses.database) as connection:
        rows = await (await connection.execute(query)).fetchall()
    return {invoice: version for invoice, version in rows}  # noqa: C416 - as dict() of untyped rows is unknown


async def stopped(addresses: Addresses) -> list[health.Stopped]:
    async with await psycopg.AsyncConnection.connect(addresses.database) as connection:
        return await health.stopped(connection)


async def reached(addresses: Addresses, model: str, version: int) -> bool:
    return await versions(addresses, model) == {facts.NUMBER: version}


@pytest.fixture
async def projecting(addresses: Addresses) -> AsyncGenerator[Addresses]:
    async with running(projector.run(addresses)):
        yield addresses


async def test_events_become_a_row_a_published_document_and_an_answer(projecting: Addresses) -> None:
    await publish(projecting, messages(STORY))
    expected = naive.status_document(STORY)
    async with serving(projecting) as client, statuses(projecting) as read:
        asked = {"min_version": len(STORY), "wait": WITHIN}
        status = await client.get(f"/invoices/{facts.NUMBER}/status", params=asked, timeout=WITHIN + 5)
        assert status.json() == expected
        details = await client.get(f"/invoices/{facts.NUMBER}", params=asked, timeout=WITHIN + 5)
        assert details.json()["status"] == expected

        async def published_to_the_topic() -> bool:
            return newest(await read()).get(facts.NUMBER) == expected

        await until(published_to_the_topic)
        last = (await read())[-1]
    assert last.headers == {
        "ce_specversion": b"1.0",
        "ce_id": f"{facts.NUMBER}-{len(STORY)}".encode(),
        "ce_source": b"urn:redletter:projector",
        "ce_type": b"redletter.invoice.InvoiceStatus.v1",
        "ce_subject": facts.NUMBER.encode(),
        "ce_time": b"2026-02-13T09:30:00+00:00",
        "ce_dataschema": b"urn:redletter:schema:InvoiceStatus:v1",
        "ce_correlationid": f"correlation of {facts.NUMBER}".encode(),
        "ce_causationid": event_id(facts.NUMBER, len(STORY)).encode(),
        "traceparent": TRACE.encode(),
        "content-type": b"application/json",
    }
    assert last.number == facts.NUMBER


async def test_a_projector_resumes_where_the_one_before_stopped(addresses: Addresses) -> None:
    numbers = [number(count) for count in range(50)]
    first = [message for one in numbers for message in messages(story(one)[:3])]
    rest = [message for one in numbers for message in messages(story(one)[3:], first=4)]

    async def reached(model: str, version: int) -> bool:
        return await versions(addresses, model) == dict.fromkeys(numbers, version)

    await publish(addresses, first)
    async with running(projector.run(addresses)):
        await until(lambda: reached("status", 3))
    await publish(addresses, rest)
    async with running(projector.run(addresses)), statuses(addresses) as read:
        await until(lambda: reached("status", len(STORY)))
        await until(lambda: reached("details", len(STORY)))

        async def all_published() -> bool:
            return newest(await read()) == {one: naive.status_document(story(one)) for one in numbers}

        await until(all_published)
    async with await psycopg.AsyncConnection.connect(addresses.database) as connection:
        waiting = await (await connection.execute("select count(*) from projections.status_outbox")).fetchone()
    assert waiting == (0,)


async def test_two_projectors_share_the_partitions_and_one_takes_over_from_the_other(addresses: Addresses) -> None:
    numbers = [number(count) for count in range(100)]

    async def reached(version: int) -> bool:
        return await versions(addresses, "status") == dict.fromkeys(numbers, version)

    with capture_logs() as logs:

        async def shared(*counts: int) -> None:
            """Wait until the last assignments of the group are of so many partitions."""

            async def assigned() -> bool:
                own = [log for log in logs if log.get("group") == MODELS["status"].consumer]
                assignments = [log["partitions"] for log in own if log["event"] == "partitions_assigned"]
                return assignments[-len(counts) :] == list(counts)

            await until(assigned)

        async def published(version: int) -> None:
            async def all_published() -> bool:
                documents = newest(await read())
                return documents.keys() == {*numbers} and {one["version"] for one in documents.values()} == {version}

            await until(all_published)

        async with running(projector.run(addresses)), statuses(addresses) as read:
            async with running(projector.run(addresses)):
                await shared(PARTITIONS // 2, PARTITIONS // 2)
                await publish(addresses, [message for one in numbers for message in messages(story(one)[:2])])
                await until(lambda: reached(2))
                await published(2)
            await shared(PARTITIONS)
            await publish(addresses, [message for one in numbers for message in messages(story(one)[2:], first=3)])
            await until(lambda: reached(len(STORY)))
            await published(len(STORY))


async def test_a_read_model_that_stops_stops_alone(addresses: Addresses, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(catalogue.details, "fold", broken)
    await publish(addresses, messages(STORY[:3]))
    async with running(projector.run(addresses)):

        async def has_stopped() -> bool:
            return [one.model for one in await stopped(addresses)] == ["details"]

        await until(has_stopped)
        await publish(addresses, messages(STORY[3:], first=4))
        for model in ("status", "invoices"):
            await until(partial(reached, addresses, model, len(STORY)))
        assert await has_stopped()
    assert await versions(addresses, "details") == {}


async def test_read_models_that_wait_for_a_lock_hold_up_no_other(addresses: Addresses) -> None:
    """As while a rebuild pauses them. The loop's own threads are as few as on a machine with two cores."""
    with ThreadPoolExecutor(6) as few:
        asyncio.get_running_loop().set_default_executor(few)
        async with running(projector.run(addresses)):
            await publish(addresses, messages(STORY[:1]))
            for model in ("status", "details", "invoices"):
                await until(partial(reached, addresses, model, 1))
            with psycopg.connect(addresses.database) as locking, psycopg.connect(addresses.database) as watching:
                locked = [entry.consumer for entry in REBUILT.values() if entry.name != "status"]
                locking.execute("select 1 from redletter.positions where consumer = any(%s) for update", (locked,))
                await publish(addresses, messages(STORY[1:2], first=2))

                async def all_wait() -> bool:
                    waiting = watching.execute(_WAITING).fetchone()
                    watching.rollback()
                    return waiting == (len(locked),)

                await until(all_wait)
                await publish(addresses, messages(STORY[2:], first=3))
                await until(partial(reached, addresses, "status", len(STORY)))
            for model in ("details", "invoices"):
                await until(partial(reached, addresses, model, len(STORY)))


async def test_a_gap_stops_the_read_models_loudly_and_health_says_which_and_why(addresses: Addresses) -> None:
    first, _, third = messages(STORY[:3])

    found: dict[str, Any] = {}

    async def degraded(http: httpx.AsyncClient) -> bool:
        answer = await http.get("/readyz")
        found.update(answer.json() | {"answered": answer.status_code})
        return found["status"] == "degraded" and len(found["stopped"]) == len(REBUILT)

    async def projected() -> bool:
        return await versions(addresses, "status") == await versions(addresses, "details") == {facts.NUMBER: 1}

    async with running(projector.run(addresses)), serving(addresses) as http:
        await publish(addresses, [first])
        await until(projected)
        await publish(addresses, [third])
        await until(lambda: degraded(http))
        assert found["answered"] == 200
        status = next(one for one in found["stopped"] if one["model"] == "status")
        (partition,) = status["partitions"]
        gap = f"invoice {facts.NUMBER}: version 3 came after 1"
        assert status["why"] == f"invoice.events[{partition}] offset 1: {gap}"
        assert (await http.get(f"/invoices/{facts.NUMBER}/status")).json()["version"] == 1


async def test_a_bad_event_stops_its_partition_alone_until_an_operator_steps_over_it(addresses: Addresses) -> None:
    bad = OutgoingRecord(EVENTS_TOPIC, facts.NUMBER.encode(), b"{}", [], partition=0)
    numbers = [number(count) for count in range(40)]

    async def stands(model: str, at: int, partition: int = 0) -> bool:
        consumer = MODELS[model].consumer
        query = "select next from redletter.positions where consumer = %s and topic = %s and partition = %s"
        async with await psycopg.AsyncConnection.connect(addresses.database) as connection:
            return await (await connection.execute(query, (consumer, EVENTS_TOPIC, partition))).fetchone() == (at,)

    async def listed(model: str) -> str:
        return next(row[-1] for row in await asyncio.to_thread(list, command.state_rows(addresses)) if row[0] == model)

    async def standing() -> bool:
        return len(await asyncio.to_thread(resuming.stopped_partitions, addresses.database, "details")) == 1

    # Some come in one batch with the bad event, the rest when its partition has stopped.
    await publish(addresses, [bad, *(one for each in numbers for one in messages(story(each)[:3]))])
    async with running(projector.run(addresses)):
        await until(standing)
        await publish(addresses, [one for each in numbers for one in messages(story(each)[3:], first=4)])
        elsewhere = [each for each in numbers if (murmur2(each.encode()) & 0x7FFFFFFF) % 8 != 0]

        async def the_others_go_on() -> bool:
            return await versions(addresses, "details") == dict.fromkeys(elsewhere, len(STORY))

        await until(the_others_go_on)
        assert await stands("details", 0)
        assert await listed("details") == "stopped: invoice.events[0] offset 0 is not a known event"
        sentences, goes_on = await asyncio.to_thread(
            command.resume_read_model, addresses, command.named("details"), skip=False
        )
        assert (sentences, goes_on) == (
            ["details has stopped again: invoice.events[0] offset 0 is not a known event"],
            False,
        )
        sentences, goes_on = await asyncio.to_thread(
            command.resume_read_model, addresses, command.named("details"), skip=True
        )
        assert goes_on
        assert sentences[0].startswith("details: skipped invoice.events[0] offset 0, which it now lacks")

        async def all_go_on() -> bool:
            return await versions(addresses, "details") == dict.fromkeys(numbers, len(STORY))

        await until(all_go_on)
        assert await listed("details") == "running; skipped records: 1, rebuild it"
        assert (await listed("history")).startswith("stopped")


async def test_a_reader_that_breaks_down_is_begun_again(addresses: Addresses, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    consume = projector.consume

    async def breaking_at_first(*asked: Any, group: str, **how: Any) -> None:
        begun.append(group)
        if len(begun) <= 2:
            raise LookupError
        await consume(*asked, group=group, **how)

    monkeypatch.setattr(projector, "consume", breaking_at_first)
    monkeypatch.setattr(projector, "_RESTART_AFTER", 0.1)
    await publish(addresses, messages(STORY))
    async with running(projector.run(addresses)):

        async def reached() -> bool:
            return await versions(addresses, "status") == {facts.NUMBER: len(STORY)}

        await until(reached)


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
