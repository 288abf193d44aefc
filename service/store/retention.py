"""How long the log keeps what nothing but publication needs: as long as its topic does.

Events stay for ever, and so does the reply to a command's id. But whoever sends one command or one malformed record
again and again must not make the log grow without bound.
"""

from datetime import timedelta
from typing import LiteralString

import structlog

from events.topics import DEAD_LETTERS_KEPT, NOTICES_KEPT, WEEK
from service.store import log_tables
from service.store.log_reader import LogReader

log = structlog.get_logger(__name__)

MAX_DELETED = 5_000
"""Rows that one statement deletes, so that none holds its locks for long."""
_KEPT: dict[str, tuple[LiteralString, timedelta]] = {
    "replies": (log_tables.DELETE_REPLIES, WEEK),
    "dead letters": (log_tables.DELETE_DEAD_LETTERS, DEAD_LETTERS_KEPT),
    "notices": (log_tables.DELETE_NOTICES, NOTICES_KEPT),
}


async def delete_unneeded(entries: LogReader) -> None:
    """Delete published entries that their topics no longer keep: dead letters, notices, and replies that no id needs.

    Raises: psycopg.Error.
    """
    for kind, (statement, keep) in _KEPT.items():
        deleted = MAX_DELETED
        while deleted == MAX_DELETED:
            ((deleted,),) = await entries.execute(statement, {"keep": keep, "rows": MAX_DELETED})
            if deleted:
                log.info("unneeded_entries_deleted", kind=kind, rows=deleted)
