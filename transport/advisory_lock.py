"""A right that one process has at a time, whichever machine it runs on."""

import time
from collections.abc import Generator
from contextlib import contextmanager

from psycopg import Connection
from psycopg.rows import TupleRow

from transport.clients.postgres import connect

_RELEASE_SECONDS = 5.0
"""Seconds in which the server notices that a killed process is gone."""
_POLL_SECONDS = 0.1
_LOCK = "select pg_try_advisory_lock(hashtext(%s), hashtext(%s))"


@contextmanager
def exclusive(url: str, role: str, right: tuple[str, str], refusal: Exception) -> Generator[Connection[TupleRow]]:
    """Hold a right for the length of a block, which gets the session that holds it.

    A killed process loses its rights with its session. right: a kind and a name. refusal: raised while another process
    has the right. Raises: psycopg.OperationalError.
    """
    with connect(url, role) as connection:
        end = time.monotonic() + _RELEASE_SECONDS
        while connection.execute(_LOCK, right).fetchone() != (True,):
            if time.monotonic() > end:
                raise refusal
            time.sleep(_POLL_SECONDS)
        yield connection
