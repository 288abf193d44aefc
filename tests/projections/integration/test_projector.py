"""The projector on real servers: from events on the topic to rows, the status topic and the HTTP answer."""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from projections import projector
from projections.catalogue import MODELS, REBUILT
from tests.projections.support import facts, naive
from tests.projections.support.projected import STORY, newest, number, reached, statuses, story, versions
from tests.projections.support.published import TRACE, event_id, messages, publish
from tests.support.fresh_system import PARTITIONS
from tests.support.tasks import running
from tests.support.waiting import WITHIN, until
from tests.web.support.serving import serving
from transport.addresses import Addresses

_WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"


@pytest.fixture
async def projecting(addresses: Addresses) -> AsyncGenerator[Addresses]:
    async with running(projector.run(addresses)):
        yield addresses


async def test_events_become_a_row_a_published_document_and_an_answer(projecting: Addresses) -> None:
    await publish(projecting, messages(STORY))
    expected = naive.status_document(STORY)
    async with serving(projecting) as client, statuses(projecting) as read:
        asked = {"min_version": len(STORY), "wait": 30}
        status = await client.get(f"/invoices/{facts.NUMBER}/status", params=asked, timeout=WITHIN)
        assert status.json() == expected
        details = await client.get(f"/invoices/{facts.NUMBER}", params=asked, timeout=WITHIN)
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
