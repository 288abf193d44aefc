"""The read tables: all in the schema ``projections``, all derived: each may be dropped and filled again."""

import stamina
from psycopg.errors import LockNotAvailable

from events.names import PROJECTOR_GROUP
from events.topics import EVENTS_TOPIC
from projections.catalogue import MODELS, REBUILT
from projections.dead_letters import handling
from projections.dead_letters.table import DeadLetters
from projections.engine import health, parking
from projections.engine.read_model import Cur, is_there
from projections.publication import outbox
from projections.rebuild import tables
from transport import positions
from transport.clients import postgres
from transport.clients.postgres import DDL_LOCK_WITHIN, DDL_TRIES

_ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtext('redletter projections'))"
"""Of two processes that create the same schema at once, one would fail."""

_BUILT = "insert into projections.built (model, code) values (%s, %s) on conflict (model) do nothing"
_NOT_BUILT = "delete from projections.built where model = 'dead_letters'"


def ensure_read_tables(database_url: str) -> None:
    """Create the read tables that are missing.

    It waits for a lock only briefly and then tries again, so that no query queues up behind it.

    Raises: psycopg.OperationalError when the database cannot be reached.
    """
    for attempt in stamina.retry_context(on=LockNotAvailable, attempts=DDL_TRIES, timeout=None, wait_max=2.0):
        with attempt:
            _ensure(database_url)


def _ensure(database_url: str) -> None:
    session = postgres.connect(database_url, "migrate", lock_timeout=f"{DDL_LOCK_WITHIN}s")
    with session, session.transaction(), session.cursor() as cur:
        cur.execute(_ONE_AT_A_TIME)
        cur.execute(positions.CREATE_POSITIONS)
        cur.execute("create schema if not exists projections")
        cur.execute(tables.CREATE_BUILT)
        cur.execute(health.CREATE_HEALTH)
        cur.execute(parking.CREATE_PARKED)
        _make_room_for_dead_letters(cur)
        for entry in MODELS.values():
            if not is_there(cur, entry.make().names()[0]):
                entry.make().create(cur)
                entry.make().index(cur)
                cur.execute(_BUILT, (entry.name, entry.fingerprint))
            cur.execute(_BUILT, (entry.name, "unknown"))
        # An earlier release had no leader; what has been projected is not to be read again.
        followers = [entry.consumer for entry in REBUILT.values()]
        positions.begin_at_farthest(cur, PROJECTOR_GROUP, followers, EVENTS_TOPIC)
        cur.execute(handling.CREATE_HANDLED)
        cur.execute(outbox.CREATE)
        cur.execute(outbox.CREATE_INDEX)


def _make_room_for_dead_letters(cur: Cur) -> None:
    """Let a table of an earlier release be filled again from the topic, which keeps dead letters as long as it does."""
    if DeadLetters().drop_outdated(cur):
        positions.forget(cur, MODELS["dead_letters"].consumer)
        cur.execute(_NOT_BUILT)
