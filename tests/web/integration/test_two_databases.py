"""What the api answers where the log has another database than the read models, and while that one is away."""

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
        known = await lag.known_positions(Readers(Reader(read_models), Reader(log)))
    assert {(one.consumer, one.next) for one in known} == {(WORKER_GROUP, 1), (STATUS_GROUP, 2)}


async def test_what_is_wrong_on_either_side_is_told(apart: Addresses) -> None:
    async with serving(apart) as client:
        await measured(
            client, 'redletter_server_up{server="database"} 1.0', 'redletter_server_up{server="read_database"} 1.0'
        )
        found = (await client.get("/operations")).json()
    unread = [one["detail"] for one in found["reasons"] if one["code"] == "PARTITION_NOT_READ"]
    assert sorted(unread) == [
        f"{STATUS_GROUP} on invoice.events, partition 0: it is 2",
        f"{WORKER_GROUP} on invoice.events, partition 0: it is 1",
    ]


async def test_queries_are_answered_while_the_log_is_away(tables: Addresses) -> None:
    store(tables, versions=1)
    async with serving(Addresses(tables.kafka, NOWHERE, tables.database)) as client:
        assert (await client.get(f"/invoices/{facts.NUMBER}")).status_code == 200
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert "LOG_AWAY" in {one["code"] for one in ready.json()["reasons"]}
        await measured(
            client,
            'redletter_server_up{server="database"} 0.0',
            'redletter_server_up{server="read_database"} 1.0',
            'redletter_degraded{code="LOG_AWAY"} 1.0',
        )
        assert "redletter_unpublished_entries" not in (await client.get("/metrics")).text
        assert not {"unpublished", "parked"} & (await client.get("/operations")).json().keys()
        board = (await client.get("/board")).text
        assert "LOG_AWAY" in board
        assert board.count("Unknown while the database of the log is not reachable.") == 2

        async def told() -> bool:
            banner, board = (await client.get("/state")).text, (await client.get("/board")).text
            return "The database of the log is not reachable" in banner and "database of the log <small>" in board

        await until(told)


async def test_an_api_without_its_read_models_is_not_ready(tables: Addresses) -> None:
    async with serving(Addresses(tables.kafka, tables.database, NOWHERE)) as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["down"]) == (503, ["database"])
        await measured(client, 'redletter_server_up{server="read_database"} 0.0')
