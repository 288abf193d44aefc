"""The read tables: all in the schema ``projections``, all derived, all of them may be dropped and filled again."""

import psycopg

from projections import health
from projections.models import MODELS
from projections.read_model import is_there
from projections.rebuild import tables
from projections.rebuild.code import fingerprint
from projections.status import outbox

_ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtext('redletter projections'))"
"""Two that create the same schema at once would make one of them fail."""

_BUILT = "insert into projections.built (model, code) values (%s, %s) on conflict (model) do nothing"


def ensure(database_url: str) -> None:
    """Create the read tables that are missing.

    Raises: psycopg.OperationalError when the database cannot be reached.
    """
    with psycopg.connect(database_url) as connection, connection.cursor() as cur:
        cur.execute(_ONE_AT_A_TIME)
        cur.execute("create schema if not exists projections")
        cur.execute(tables.CREATE)
        cur.execute(health.CREATE)
        for entry in MODELS.values():
            if not is_there(cur, entry.make().names()[0]):
                entry.make().create(cur)
                entry.make().index(cur)
                cur.execute(_BUILT, (entry.name, fingerprint()))
            cur.execute(_BUILT, (entry.name, "unknown"))
        cur.execute(outbox.CREATE)
        cur.execute(outbox.CREATE_INDEX)
