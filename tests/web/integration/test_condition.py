"""What readiness, metrics and the board show of the system, whatever is down."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from events.names import WORKER_GROUP
from tests.support.waiting import until
from tests.web.support.serving import measured, served, serving
from transport.addresses import Addresses
from web.live import hub as hubs
from web.live.tail import Tail

TOPIC = "invoice.commands.customer"
_POSITION = """
    insert into redletter.positions (consumer, topic, partition, next, unread, unread_since, gone)
    values (%s, %s, %s, 5, %s, now(), %s)
"""
_TIMER = """
    insert into redletter.timers (id, partition, name, invoice_number, body, due_at, causation_id, correlation_id,
        attempt, opened_at)
    values (%s, 0, 'IssueCreditNote.v1', '26000000000000000001', '', now(), '', '', %s, now() - %s * interval '1 s')
"""


@pytest.fixture
def troubled(tables: Addresses) -> Iterator[Addresses]:
    """Return a database that knows of an unread partition, lost records, a stopped model and unpublished entries."""
    with psycopg.connect(tables.database, autocommit=True) as connection:
        connection.execute(_POSITION, (WORKER_GROUP, TOPIC, 3, "it is another log", 0))
        connection.execute(_POSITION, (WORKER_GROUP, TOPIC, 4, None, 12))
        connection.execute(
            "insert into projections.stopped (model, topic, partition, next, why) values ('forms', 'invoice.events', 2,"
            " 9, 'it cannot')"
        )
        connection.execute("update redletter.log_partitions set last_place = 40 where partition = 0")
        connection.execute("update redletter.published set place = 7 where partition = 0")
        connection.execute("update redletter.log_partitions set stopped = 'it differs' where partition = 1")
        connection.cursor().executemany(_TIMER, [("0", 0, 1), ("1", 2, 7200), ("2", 5, 60)])
        try:
            yield tables
        finally:
            connection.execute("truncate redletter.positions, projections.stopped, redletter.timers")
            connection.execute("update redletter.log_partitions set last_place = 0, stopped = null")
            connection.execute("update redletter.published set place = 0")


@pytest.fixture
async def client(troubled: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(troubled) as client:
        yield client


async def test_readiness_names_what_has_stopped(client: httpx.AsyncClient) -> None:
    reasons: dict[str, str] = {}
    async with asyncio.timeout(60):
        while "ROLE_MISSING" not in reasons:  # a broker that was never asked for groups takes a while to know of them
            answer = await client.get("/readyz")
            assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
            reasons = {reason["code"]: reason["detail"] for reason in answer.json()["reasons"]}
    assert "partition 3: it is another log" in reasons["PARTITION_NOT_READ"]
    assert "12 offsets" in reasons["RECORDS_GONE"]
    assert "it cannot" in reasons["READ_MODEL_STOPPED"]
    assert "ROLE_MISSING" in reasons


async def test_metrics_and_the_board_show_it_too(client: httpx.AsyncClient) -> None:
    await measured(
        client,
        "redletter_unpublished_entries 33.0",
        "redletter_unpublished_seconds ",
        'redletter_unread_partitions{consumer="redletter.worker"} 1.0',
        'redletter_offsets_gone_total{consumer="redletter.worker"} 12.0',
        'redletter_stopped_partitions{model="forms"} 1.0',
        'redletter_stopped_partitions{model="status"} 0.0',
        "redletter_stopped_log_partitions 1.0",
        'redletter_degraded{code="PARTITION_NOT_READ"} 1.0',
        'redletter_degraded{code="ROLE_MISSING"} 4.0',
        'redletter_server_up{server="database"} 1.0',
        'redletter_server_up{server="kafka"} 1.0',
        'redletter_tax_requests{request="IssueCreditNote",state="repeated"} 2.0',
        'redletter_tax_requests{request="IssueCreditNote",state="unsent"} 1.0',
        'redletter_tax_request_seconds{request="IssueCreditNote",state="repeated"} 72',
    )
    operations = (await client.get("/operations")).json()
    assert operations["unpublished"]["entries"] == 33
    assert {"PARTITION_NOT_READ", "READ_MODEL_STOPPED"} <= {reason["code"] for reason in operations["reasons"]}
    assert "it is another log" in (await client.get("/board")).text


async def test_the_board_shows_roles_that_are_missing_and_topics_that_this_api_does_not_read(
    tables: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: Tail) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Tail, "run", never)
    codes = {"ROLE_MISSING", "NOT_LISTENING"}
    async with serving(tables) as http:

        async def on_the_board() -> bool:
            return codes <= {reason["code"] for reason in (await http.get("/operations")).json()["reasons"]}

        async def on_its_page() -> bool:
            page = (await http.get("/board")).text
            return all(code in page for code in codes)

        await until(on_the_board)  # a broker that was never asked for groups takes a while to know of them
        await until(on_its_page)


async def comes_within(http: httpx.AsyncClient, seconds: float, path: str, status: int = 200) -> bool:
    """Return whether an answer took no longer: other tests may make one late, but none early."""
    began = time.monotonic()
    assert (await http.get(path, timeout=60)).status_code == status
    return time.monotonic() - began < seconds


async def test_metrics_come_within_their_bound_and_leave_out_what_cannot_be_known(troubled: Addresses) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        frozen = {"kafka": address, "database": f"postgresql://nobody@{address}/none"}
        kept = {"kafka": troubled.kafka, "database": troubled.database}

        async def without(*gone: str) -> None:
            mixed = {name: frozen[name] if name in gone else kept[name] for name in kept}
            async with serving(Addresses(**mixed)) as http:
                answer = await http.get("/metrics", timeout=60)
                assert answer.status_code == 200
                up = 'redletter_server_up{server="database"} ' + ("0.0" if "database" in gone else "1.0")
                assert up in answer.text
                assert ("redletter_unpublished_entries" in answer.text) == ("database" not in gone)
                await until(lambda: comes_within(http, 0.05, "/metrics"))
                await until(lambda: comes_within(http, 5, "/readyz", 503))

        await without("kafka")
        await without("database")
        await without("kafka", "database")


async def test_an_api_that_does_not_hear_replies_says_so(tables: Addresses) -> None:
    async with serving(tables) as http:

        async def deaf() -> bool:
            details = [reason["detail"] for reason in (await http.get("/readyz")).json()["reasons"]]
            return any("is not receiving" in one for one in details)

        await until(deaf)  # the topics do not exist


async def test_a_part_of_the_api_that_ends_ends_the_api(tables: Addresses, monkeypatch: pytest.MonkeyPatch) -> None:
    end = asyncio.Event()

    async def run(_: Any) -> None:
        await end.wait()
        msg = "a fault of ours"
        raise LookupError(msg)

    monkeypatch.setattr(hubs.Hub, "run", run)
    async with served(tables, stopped=RuntimeError) as (running, _):
        end.set()
        async with asyncio.timeout(60):
            await asyncio.wait({running})
