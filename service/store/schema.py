"""The write side's tables, brought up to date by alembic."""

from pathlib import Path
from typing import LiteralString

import stamina
from alembic import command
from alembic.config import Config
from psycopg.errors import LockNotAvailable
from sqlalchemy.exc import DBAPIError

from transport.clients.postgres import DDL_LOCK_WITHIN, DDL_TRIES, connect


class LogMismatch(Exception):
    """The log that exists has another partition count than the settings say."""


def migrate(database_url: str, partitions: int) -> None:
    """Bring the schema ``redletter`` of the database up to date; does nothing where it is.

    A lock that it cannot have at once is given up, so that nobody queues up behind it, and asked for again.

    database_url: a libpq URL. partitions: of the log, and of its topics. Raises: LogMismatch when a log that is not
    empty has another count; sqlalchemy's OperationalError while the database cannot be reached.
    """
    for attempt in stamina.retry_context(on=_is_locked, attempts=DDL_TRIES, timeout=None, wait_max=2.0):
        with attempt:
            _upgrade(database_url)
    _partition_log(database_url, partitions)


def _is_locked(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and isinstance(error.orig, LockNotAvailable)


def _upgrade(database_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = database_url
    config.attributes["lock_timeout"] = f"{DDL_LOCK_WITHIN}s"
    command.upgrade(config, "head")


def _partition_log(database_url: str, partitions: int) -> None:
    with connect(database_url, "migrate", autocommit=False) as connection:
        connection.execute("lock table redletter.log_partitions in share row exclusive mode")
        rows = connection.execute("select last_place from redletter.log_partitions").fetchall()
        if len(rows) == partitions:
            return
        if any(place for (place,) in rows):
            msg = (
                f"the log has {len(rows)} partitions and should have {partitions}. Set REDLETTER_TOPIC_PARTITIONS to "
                f"{len(rows)}, or start with an empty database and empty topics"
            )
            raise LogMismatch(msg)
        connection.execute("delete from redletter.log_partitions")
        connection.execute(_PARTITIONS, (partitions,))


_PARTITIONS: LiteralString = """
    with made as (
        insert into redletter.log_partitions (partition) select generate_series(0, %s - 1) returning partition
    )
    insert into redletter.published (partition) select partition from made
"""
