"""A read model that misses an event stops there, says so, and resumes; what it cannot fold parks an invoice."""

import asyncio
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest
from aiokafka.partitioner import murmur2

from events.topics import EVENTS_TOPIC
from projections import catalogue, projector, resuming
from projections.catalogue import MODELS, REBUILT
from projections.releasing import parked_invoices
from redletter import read_models as command
from tests.projections.support import facts
from tests.projections.support.projected import STORY, number, reached, stopped, story, versions
from tests.projections.support.published import messages, publish
from tests.support.tasks import running
from tests.support.waiting import until
from tests.web.support.serving import serving
from transport.addresses import Addresses
from transport.records import OutgoingRecord


async def test_a_read_model_that_cannot_fold_an_event_parks_the_invoice_and_no_other_read_model_notices(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(catalogue.details, "fold", broken)
    await publish(addresses, messages(STORY[:3]))
    async with running(projector.run(addresses)):

        async def has_parked() -> bool:
            return [one.model for one in parked_invoices(addresses.database)] == ["details"]

        await until(has_parked)
        await publish(addresses, messages(STORY[3:], first=4))
        for model in ("status", "invoices"):
            await until(partial(reached, addresses, model, len(STORY)))
        assert await has_parked()
        assert await stopped(addresses) == []
    assert await versions(addresses, "details") == {}


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

        async def the_others_continue() -> bool:
            return await versions(addresses, "details") == dict.fromkeys(elsewhere, len(STORY))

        await until(the_others_continue)
        assert await stands("details", 0)
        assert await listed("details") == "stopped: invoice.events[0] offset 0 is not a known event"
        sentences, resumed = await asyncio.to_thread(
            command.resume_read_model, addresses, command.named("details"), skip=False
        )
        assert (sentences, resumed) == (
            ["details has stopped again: invoice.events[0] offset 0 is not a known event"],
            False,
        )
        sentences, resumed = await asyncio.to_thread(
            command.resume_read_model, addresses, command.named("details"), skip=True
        )
        assert resumed
        assert sentences[0].startswith("details: skipped invoice.events[0] offset 0, which it now lacks")

        async def all_continue() -> bool:
            return await versions(addresses, "details") == dict.fromkeys(numbers, len(STORY))

        await until(all_continue)
        assert await listed("details") == "running; skipped records: 1, rebuild it"
        assert (await listed("history")).startswith("stopped")
