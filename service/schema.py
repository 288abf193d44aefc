"""The write side's tables, brought up to date by alembic."""

from pathlib import Path

import stamina
from alembic import command
from alembic.config import Config
from psycopg.errors import LockNotAvailable
from sqlalchemy.exc import DBAPIError

from transport.database import DDL_LOCK_WITHIN, DDL_TRIES


def migrate(database_url: str) -> None:
    """Bring the schema ``redletter`` of the database up to date; does nothing where it is.

    A lock that it cannot have at once is given up, so that nobody queues up behind it, and asked for again.

    database_url: a libpq URL. Raises: sqlalchemy's OperationalError while the database cannot be reached.
    """
    for attempt in stamina.retry_context(on=_is_locked, attempts=DDL_TRIES, timeout=None, wait_max=2.0):
        with attempt:
            _upgrade(database_url)


def _is_locked(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and isinstance(error.orig, LockNotAvailable)


def _upgrade(database_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = database_url
    config.attributes["lock_timeout"] = f"{DDL_LOCK_WITHIN}s"
    command.upgrade(config, "head")
