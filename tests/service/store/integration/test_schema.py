"""Changes of tables wait for their locks in short turns, so that nobody queues up behind them."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy.exc import DBAPIError

from projections import schema as read_side
from service.log.entries import EarlierReply
from service.store import schema as write_side
from service.store.event_store import Store
from service.store.log_tables import REPLY_COLUMNS
from service.store.write import Conflict
from tests.service.support.rows import reply, save
from tests.support.fresh_system import PARTITIONS
from transport.addresses import Addresses

IN_THE_WAY = 3.0
"""Seconds, longer than one turn."""


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("redletter.migrate", partial(write_side.migrate, partitions=PARTITIONS)),
        ("redletter projections", read_side.ensure_read_tables),
    ],
)
def test_a_lock_that_is_held_for_a_while_is_asked_for_again(
    addresses: Addresses, name: str, change: Callable[[str], None]
) -> None:
    with psycopg.connect(addresses.database, autocommit=True) as holder:
        holder.execute("select pg_advisory_lock(hashtext(%s))", (name,))
        timer = threading.Timer(IN_THE_WAY, holder.execute, ("select pg_advisory_unlock_all()",))
        timer.start()
        began = time.monotonic()
        change(addresses.database)
        waited = time.monotonic() - began
        timer.join()
    assert waited > IN_THE_WAY - 0.5


BEFORE_PARTITIONS = "0005"
"""The last revision in which the log had one order."""
BEFORE_IDS_LAY_APART = "0016"
"""The last revision in which an id lay in the row of its reply alone."""
NUMBER, KEY = "26000000000000000001", uuid4()
OLD_EVENT = """
    insert into redletter.invoice_events (originator_id, originator_version, topic, state, notification_id, occurred_at,
        causation_id, correlation_id)
    values ('26000000000000000001', 1, 'InvoiceIssued.v1', '{}', 1, now(), 'cause', 'correlation')
"""
OLD_REPLY = """
    insert into redletter.replies (position, id, name, value, sent_at, causation_id, correlation_id)
    values (1, 'reply', 'CommandAccepted.v1', '{}', now(), 'cause', 'correlation')
"""
OLD_DEAD_LETTER = """
    insert into redletter.dead_letters (position, answered, topic, partition, record_offset, reason, error, buried_at,
        header_names, header_values)
    values (1, false, 'invoice.commands.tax', 0, 0, 'MALFORMED_COMMAND', 'bad', now(), '{}', '{}')
"""


@pytest.fixture
def old_database(servers: Addresses) -> Iterator[str]:
    """Give a database as it was before the log had partitions."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(servers.database, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        url = urlunsplit(urlsplit(servers.database)._replace(path=f"/{name}"))
        command.upgrade(alembic_of(url), BEFORE_PARTITIONS)
        yield url
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def alembic_of(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(write_side.__file__).parent / "migrations"))
    config.attributes.update(url=url, lock_timeout="2s")
    return config


@pytest.mark.parametrize("entry", [OLD_EVENT, OLD_REPLY, OLD_DEAD_LETTER], ids=["an event", "a reply", "a dead letter"])
def test_a_log_written_before_it_had_partitions_is_refused_and_left_as_it_was(old_database: str, entry: str) -> None:
    with psycopg.connect(old_database, autocommit=True) as connection:
        connection.execute(entry)  # type: ignore[arg-type] - a literal
        with pytest.raises(DBAPIError, match="written before it had partitions, and cannot be taken over"):
            write_side.migrate(old_database, PARTITIONS)
        kept = connection.execute(
            "select notification_id from redletter.invoice_events union all select position from redletter.replies "
            "union all select position from redletter.dead_letters"
        )
        assert kept.fetchall() == [(1,)]


def test_a_log_without_entries_is_given_its_partitions(old_database: str) -> None:
    write_side.migrate(old_database, PARTITIONS)
    with psycopg.connect(old_database) as connection:
        found = connection.execute("select partition, last_place from redletter.log_partitions order by 1").fetchall()
    assert found == [(partition, 0) for partition in range(PARTITIONS)]


def test_an_id_that_was_used_up_before_ids_lay_apart_stays_used_up(old_database: str) -> None:
    write_side.migrate(old_database, PARTITIONS)
    answered, unanswered = reply(NUMBER, "first")._replace(command_key=KEY, digest=b"d"), reply(NUMBER, "again")
    command.downgrade(alembic_of(old_database), BEFORE_IDS_LAY_APART)
    columns = sql.SQL(", ").join(map(sql.Identifier, ("partition", "place", *REPLY_COLUMNS)))
    with psycopg.connect(old_database, autocommit=True) as connection:
        for place, (*fields, trace, _came_by) in enumerate((answered, unanswered), start=1):
            values = sql.SQL(", ").join(map(sql.Literal, (0, place, *fields, *trace)))
            connection.execute(sql.SQL("insert into redletter.replies ({}) values ({})").format(columns, values))
    write_side.migrate(old_database, PARTITIONS)
    store = Store(old_database)
    assert store.history([KEY], [], [])[1] == {KEY: EarlierReply(b"d", answered.name, answered.value)}
    with pytest.raises(Conflict, match="command_ids"):
        save(store, [answered])
    store.close()
