"""The read tables: all in the schema ``projections``, all derived, all of them may be dropped and filled again."""

import psycopg

from projections.models import MODELS
from projections.read_model import is_there
from projections.status import outbox

_ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtext('redletter projections'))"
"""Two that create the same schema at once would make one of them fail."""


def ensure(database_url: str) -> None:
    """Create the read tables that are missing.

    Raises: psycopg.OperationalError when the database cannot be reached.
    """
    with psycopg.connect(database_url) as connection, connection.cursor() as cur:
        cur.execute(_ONE_AT_A_TIME)
        cur.execute("create schema if not exists projections")
        for model in (entry.build("") for entry in MODELS.values()):
            if not is_there(cur, model.names()[0]):
                model.create(cur)
                model.index(cur)
        cur.execute(outbox.CREATE)
        cur.execute(outbox.CREATE_INDEX)
