"""A parked command is on its way for as long as it waits, as the real roles park and release it."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
import pytest

from projections import projector
from rules.calendar import MAINLAND_CHINA
from service import relay
from service.store.event_store import Store
from service.worker import deciding, role
from service.worker.releasing import Releasing
from tests.projections.support import facts
from tests.service.support.records import MOMENTS, POLICY
from tests.support.fresh_system import PARTITIONS
from tests.support.tasks import running
from tests.support.waiting import until
from tests.web.support.serving import serving
from transport.addresses import Addresses
from transport.partitioning import partition_of
from web.gateway import command_publisher

NUMBERS = [f"2631{index:016d}" for index in range(1000)]
PARKED, *BESIDE = [one for one in NUMBERS if partition_of(one.encode(), 0, PARTITIONS) == 0][:4]
"""Invoices whose commands lie in one partition."""


async def request_return(client: httpx.AsyncClient, number: str) -> int:
    headers = {"Idempotency-Key": f"return {number}"}
    answer = await client.post(f"/invoices/{number}/return", json={"account_id": facts.ACCOUNT}, headers=headers)
    return answer.status_code


async def asked(client: httpx.AsyncClient, number: str) -> int:
    return (await client.get(f"/commands/return {number}", timeout=60)).status_code


async def test_a_parked_command_is_on_its_way_until_it_is_released(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = deciding.decide
    bugs = {PARKED}

    def failing(state: Any, claims: Any, command: Any, moment: Any) -> Any:
        if command.invoice_number in bugs:
            raise RuntimeError
        return decide(state, claims, command, moment)

    monkeypatch.setattr(deciding, "decide", failing)
    monkeypatch.setattr(command_publisher, "REPLY_WITHIN", 1.0)
    async with AsyncExitStack() as stack:
        worker = role.run(addresses, clock_shift=timedelta(), calendar=MAINLAND_CHINA, policy=POLICY)
        for work in (worker, relay.run(addresses), projector.run(addresses)):
            await stack.enter_async_context(running(work))
        client = await stack.enter_async_context(serving(addresses))

        async def answered(number: str) -> bool:
            return await asked(client, number) == 200

        await until(lambda: published(client, PARKED))
        for number in BESIDE:
            await until(lambda number=number: published(client, number))
            await until(lambda number=number: answered(number))
            assert await asked(client, PARKED) == 202
        bugs.clear()
        store = Store(addresses.database)
        release = asyncio.create_task(asyncio.to_thread(Releasing(store, MOMENTS).release, PARKED))
        statuses: set[int] = set()
        while 200 not in statuses:
            statuses.add(await asked(client, PARKED))
        await release
        store.close()
    assert statuses <= {202, 200}


async def published(client: httpx.AsyncClient, number: str) -> bool:
    """Return whether a command could be published: the api may only just have started."""
    return await request_return(client, number) != 503
