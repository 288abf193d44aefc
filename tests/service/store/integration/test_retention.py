"""The log keeps what nothing but publication needs for as long as its topic does."""

from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest

from events.topics import DEAD_LETTERS_KEPT, WEEK
from service.store import retention
from service.store.event_store import Store
from service.store.log_reader import GENESIS, LogPosition, LogReader
from tests.service.support.rows import dead_letter, event, notice, reply, save
from tests.support.fresh_system import PARTITIONS
from transport.addresses import Addresses
from transport.partitioning import partition_of

NUMBER = "26310000000000000001"
HOME = partition_of(NUMBER.encode(), 0, PARTITIONS)
SOON = timedelta(hours=1)
NEEDED = reply(NUMBER, "needed")._replace(command_key=uuid4(), digest=b"d")
ENTRIES = (
    event(NUMBER, 1),
    NEEDED,
    reply(NUMBER, "again"),
    dead_letter(answered=True, key=NUMBER.encode()),
    reply(NUMBER, "malformed"),
    notice(NUMBER, "parked", answered=False),
    reply(NUMBER, "last published"),
    reply(NUMBER, "not published"),
)
PUBLISHED = 7


@pytest.mark.parametrize(
    ("age", "kept"),
    [
        (WEEK - SOON, [1, 2, 3, 4, 5, 6, 7, 8]),
        (WEEK + SOON, [1, 2, 4, 6, 7, 8]),
        (DEAD_LETTERS_KEPT + SOON, [1, 2, 7, 8]),
    ],
)
async def test_published_entries_that_no_id_needs_go_when_their_topic_no_longer_keeps_them(
    fresh_database: Addresses, monkeypatch: pytest.MonkeyPatch, age: timedelta, kept: list[int]
) -> None:
    monkeypatch.setattr(retention, "MAX_DELETED", 1)  # so that one statement does not do
    store, reader = Store(fresh_database.database), LogReader(fresh_database.database)
    save(store, ENTRIES)
    store.close()
    rows = await reader.after(HOME, GENESIS)
    await reader.note_published({HOME: PUBLISHED})
    with psycopg.connect(fresh_database.database, autocommit=True) as connection:
        connection.execute("update redletter.replies set written_at = now() - %s", (age,))
        connection.execute("update redletter.dead_letters set written_at = now() - %s", (age,))
        connection.execute("update redletter.notices set written_at = now() - %s", (age,))
        await retention.delete_unneeded(reader)
        found = connection.execute(
            "select place from redletter.invoice_events union all select place from redletter.replies "
            "union all select place from redletter.dead_letters "
            "union all select place from redletter.notices order by place"
        ).fetchall()
    assert [place for (place,) in found] == kept
    assert await reader.after(HOME, LogPosition.of(rows[PUBLISHED - 1])) == rows[PUBLISHED:]  # publication goes on
    await reader.close()
