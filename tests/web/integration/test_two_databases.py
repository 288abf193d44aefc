"""What the api answers where the log has another database than the read models, and while that one is away."""

import httpx
import psycopg
import pytest

from events.names import WORKER_GROUP, projector_group
from tests.projections.support import facts
from tests.support.waiting import until
from tests.web.support.serving import measured, serving
from tests.web.support.story import store
from transport.addresses import Addresses
from web.http.reading import Reader, Readers, pool_of
from web.operations import lag

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
_POSITION = """
    insert into redletter.positions (consumer, topic, partition, next, unread)
    values (%s, 'invoice.events', 0, %s, %s)
"""
STATUS_GROUP = projector_group("status")


@pytest.fixture
def apart(tables: Addresses, fresh_database: Addresses) -> Addresses:
    """Return two databases in which all tables are, as where the read models were moved away from the log's."""
    for database, next_ in ((tables.database, 1), (fresh_database.database, 2)):
        with psycopg.connect(database) as connection:
            for consumer in (WORKER_GROUP, STATUS_GROUP):
                connection.execute(_POSITION, (consumer, next_, f"it is {next_}"))
    return Addresses(tables.kafka, tables.database, fresh_database.database)


async def test_a_consumer_stands_where_its_work_is_written(apart: Addresses) -> None:
    assert apart.read_models
    async with pool_of(apart.database) as log, pool_of(apart.read_models) as read_models:

        async def each_is_known() -> bool:
            known = await lag.known_positions(Readers(Reader(read_models), Reader(log)))
            return {(one.consumer, one.next) for one in known} == {(WORKER_GROUP, 1), (STATUS_GROUP, 2)}

        await until(each_is_known)


async def test_what_is_wrong_on_either_side_is_told(apart: Addresses) -> None:
    async with serving(apart) as client:
        await measured(
            client, 'redletter_server_up{server="database"} 1.0', 'redletter_server_up{server="read_database"} 1.0'
        )

        async def both_are_told() -> bool:
            found = (await client.get("/operations")).json()
            unread = [one["detail"] for one in found.get("reasons", ()) if one["code"] == "PARTITION_NOT_READ"]
            return sorted(unread) == [
                f"{STATUS_GROUP} on invoice.events, partition 0: it is 2",
                f"{WORKER_GROUP} on invoice.events, partition 0: it is 1",
            ]

        await until(both_are_told)


async def test_queries_are_answered_while_the_log_is_away(tables: Addresses) -> None:
    store(tables, versions=1)
    async with serving(Addresses(tables.kafka, NOWHERE, tables.database)) as client:
        await until(lambda: _answers(client, f"/invoices/{facts.NUMBER}"))

        async def degraded() -> bool:
            ready = await client.get("/readyz")
            told = {one["code"] for one in ready.json().get("reasons", ())}
            return (ready.status_code, ready.json().get("status"), "LOG_AWAY" in told) == (200, "degraded", True)

        await until(degraded)
        await measured(
            client,
            'redletter_server_up{server="database"} 0.0',
            'redletter_server_up{server="read_database"} 1.0',
            'redletter_degraded{code="LOG_AWAY"} 1.0',
        )
        assert "redletter_unpublished_entries" not in (await client.get("/metrics")).text
        assert not {"unpublished", "parked"} & (await client.get("/operations")).json().keys()
        await until(lambda: _answers(client, "/board", "LOG_AWAY"))
        board = (await client.get("/board")).text
        assert board.count("Unknown while the database of the log is not reachable.") == 2
        await until(lambda: _answers(client, "/board", "database of the log <small>"))
        await until(lambda: _answers(client, "/state", "The database of the log is not reachable"))


async def _answers(client: httpx.AsyncClient, path: str, words: str = "") -> bool:
    answer = await client.get(path)
    return answer.status_code == 200 and words in answer.text


async def test_an_api_without_its_read_models_is_not_ready(tables: Addresses) -> None:
    async with serving(Addresses(tables.kafka, tables.database, NOWHERE)) as client:

        async def not_ready() -> bool:
            ready = await client.get("/readyz")
            return (ready.status_code, ready.json().get("down")) == (503, ["database"])

        await until(not_ready)
        await measured(client, 'redletter_server_up{server="read_database"} 0.0')
