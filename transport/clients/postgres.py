"""Every PostgreSQL session of the program is made here, so that each keeps the same promises.

The whole database URL counts: TLS, several hosts, target_session_attrs, options. A link that has died is noticed within
seconds. Our own settings are made with SQL once a session is open: a pooler in session mode passes no start-up options
on, and what the URL says in ``options`` stays as it is.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from threading import Lock
from typing import Any, LiteralString, cast

import psycopg
import structlog
from psycopg import AsyncConnection, Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import UniqueViolation
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from transport.metrics import measure_pool
from transport.threads import OwnThread
from transport.unfit import Unfit

log = structlog.get_logger(__name__)

CONNECT_WITHIN = 5
"""Seconds to wait for each host of the URL, unless the URL has its own connect_timeout."""
RECONNECT_WITHIN = 2.0
"""Seconds after which a pool gives up a server that is away; the next caller makes it try again.

By default psycopg_pool tries for 300 s with pauses that double, and so comes back minutes after the server.
"""
LEAST_VERSION = 170000
"""PostgreSQL 17, the first that knows transaction_timeout."""
DDL_LOCK_WITHIN = 2
"""Seconds that a change of tables may wait for its lock: others who want the table queue up behind it."""
DDL_TRIES = 30
"""Times that a change of tables is tried."""
LOOK_AGAIN = 1.0
"""Seconds between two tries to look at a server that is away."""

_LINK: Mapping[str, str | int] = {
    "connect_timeout": CONNECT_WITHIN,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A connection to a server that vanished is given up after 11 s; libpq's defaults wait for hours."""

BY_KEY: Mapping[str, str] = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
"""Settings of a session whose statements find their rows by keys: a plan that says so is made once, and holds for any
batch. Left to itself the server plans anew for every small one."""

_CONFIGURE: LiteralString = (
    "select set_config(name, value, false) from unnest(%s::text[], %s::text[]) as s (name, value)"
)


Pool = AsyncConnectionPool[AsyncConnection[TupleRow]]
OnOpened = Callable[[Connection[TupleRow]], None]


class UnsuitableDatabase(Unfit):
    """The database answers, but Redletter cannot work with it."""


def parameters(url: str, role: str) -> dict[str, Any]:
    """Return libpq's parameters for a session of ``role``: what the URL says, completed by our own.

    The session is called ``redletter <role>`` where neither the URL nor PGAPPNAME names it.
    """
    return {**_LINK, "fallback_application_name": f"redletter {role}", **conninfo_to_dict(url)}


def writing(url: str, role: str) -> dict[str, Any]:
    """Return the same for a role that writes: a server that is read-only is passed over."""
    return {"target_session_attrs": "read-write", **parameters(url, role)}


def connect(url: str, role: str, *, autocommit: bool = True, **settings: str) -> Connection[TupleRow]:
    """Open a session that writes. settings: PostgreSQL's, such as ``lock_timeout="5s"``.

    Raises: psycopg.OperationalError while no server can be reached that takes writes.
    """
    connection = psycopg.connect(**writing(url, role), autocommit=True)
    try:
        _configure(connection, settings)
        connection.autocommit = autocommit
    except BaseException:
        connection.close()
        raise
    return connection


async def connect_async(url: str, role: str, **settings: str) -> AsyncConnection[TupleRow]:
    """Open a session that writes, in autocommit. settings and errors: those of `connect`."""
    connection = await AsyncConnection[TupleRow].connect(**writing(url, role), autocommit=True)
    try:
        await _configure_async(connection, settings)
    except BaseException:
        await connection.close()
        raise
    return connection


def connect_reading(url: str, role: str) -> Connection[TupleRow]:
    """Open a session that only reads, in autocommit: a server that is read-only will do. Errors: those of `connect`."""
    return psycopg.connect(**parameters(url, role), autocommit=True)


async def connect_reading_async(url: str, role: str) -> AsyncConnection[TupleRow]:
    """Open such a session."""
    return await AsyncConnection[TupleRow].connect(**parameters(url, role), autocommit=True)


_READING: Mapping[str, str] = {
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "0",
    "enable_seqscan": "off",
    "jit": "off",
}
"""What is read is in memory or on a disk that does not turn, and is little: nothing is read from end to end."""


async def _prefer_indexes(connection: AsyncConnection[TupleRow]) -> None:
    await _configure_async(connection, _READING)


def reading_pool(url: str, role: str, *, size: int, within: float) -> Pool:
    """Return a pool of at most ``size`` sessions that read, in autocommit; it is not open yet.

    within: seconds to wait for a session. A server that is read-only will do. A session is closed after every error
    that spoils it.
    """
    pool = _FreshPool(
        kwargs=_in_pool(parameters(url, role), within),
        configure=_prefer_indexes,
        min_size=1,
        max_size=size,
        open=False,
        timeout=within,
        reconnect_timeout=RECONNECT_WITHIN,
    )
    measure_pool(role, pool.get_stats)
    return pool


def writing_pool(url: str, role: str, *, size: int, within: float) -> Pool:
    """Return the same of sessions that write; none is opened before one is needed."""
    pool = _FreshPool(
        kwargs=_in_pool(writing(url, role), within),
        min_size=0,
        max_size=size,
        open=False,
        timeout=within,
        reconnect_timeout=RECONNECT_WITHIN,
    )
    measure_pool(f"{role} writing", pool.get_stats)
    return pool


def _in_pool(parameters: Mapping[str, Any], within: float) -> dict[str, Any]:
    return {**parameters, "autocommit": True, "connect_timeout": max(2, int(within))}


class KeptSession:
    """A session that writes, kept from one use to the next, and replaced after anything that spoils it.

    Used by one thread at a time. opened: how many sessions there have been.
    """

    def __init__(self, url: str, role: str, begin: OnOpened | None = None, /, **settings: str) -> None:
        """``begin`` is called with each session before it is used. settings: those of `connect`."""
        self._open = partial(connect, url, role, **settings)
        self._begin = begin
        self._connection: Connection[TupleRow] | None = None
        self._used = Lock()
        self.opened = 0

    @contextmanager
    def use(self) -> Generator[Connection[TupleRow]]:
        """Give the session for the length of a block.

        Raises: psycopg.OperationalError while none can be opened; what ``begin`` raises, which is then asked again.
        """
        with self._used:
            if self._connection is None or self._connection.closed:
                self._connection = self._opened()
            try:
                yield self._connection
            except psycopg.Error as error:
                if spoils(error):
                    self._connection.close()
                raise

    def _opened(self) -> Connection[TupleRow]:
        connection = self._open()
        try:
            if self._begin:
                self._begin(connection)
        except BaseException:
            connection.close()
            raise
        self.opened += 1
        return connection

    def close(self) -> None:
        """Close the session once nobody uses it."""
        with self._used:
            if self._connection is not None:
                self._connection.close()


def spoils(error: psycopg.Error) -> bool:
    """Return whether the server behind the session may be the wrong one: a fresh session may find the right one."""
    return not about_content(error) and not isinstance(error, UniqueViolation)


def about_content(error: BaseException | None) -> bool:
    """Return whether an error, or its cause, says that PostgreSQL will never take these values (SQLSTATE class 22).

    Everything else is about the surroundings: a server away or read-only, a missing table or privilege, a time-out.
    """
    while error is not None:
        if isinstance(error, (psycopg.DataError, UnicodeError)):
            return True
        error = error.__cause__
    return False


async def refuse_unsuitable(url: str, role: str, *, writes: bool = True) -> None:
    """Return once the database has been found suitable; wait while it is away.

    writes: whether it has to take them. Raises: UnsuitableDatabase.
    """
    thread = OwnThread("database")
    try:
        while True:
            try:
                return await thread.run(partial(check, url, role, writes=writes))
            except psycopg.OperationalError as error:
                log.warning("database_unreachable", error=str(error).strip())
            await asyncio.sleep(LOOK_AGAIN)
    finally:
        thread.close()


def check(url: str, role: str, *, writes: bool = True) -> None:
    """Look whether the database is one that Redletter can work with.

    writes: whether it has to take them.

    Raises: UnsuitableDatabase; psycopg.OperationalError while it cannot be reached.
    """
    opened = connect if writes else connect_reading
    with opened(url, role) as session:
        _check_server(session.info.server_version, session.info.parameter_status("server_encoding"))
        if session.info.backend_pid != _pid(session):  # something stands between us and the server
            with opened(url, role) as other:
                _check_pooler(session, other)


def _check_server(version: int, encoding: str | None) -> None:
    if version < LEAST_VERSION:
        msg = f"PostgreSQL {version // 10_000} is too old: Redletter needs version {LEAST_VERSION // 10_000} or newer"
        raise UnsuitableDatabase(msg)
    if encoding != "UTF8":
        msg = f"the database has the encoding {encoding}: Redletter needs one with UTF8"
        raise UnsuitableDatabase(msg)


def _check_pooler(session: Connection[TupleRow], other: Connection[TupleRow]) -> None:
    """Refuse a pooler that gives each transaction whichever server process is free.

    Such a pooler serves us with several processes in turn, or gives the one that served us to the other session.
    """
    served = {_pid(session), _pid(session)}
    with other.transaction():
        taken = _pid(other)
        if len(served) > 1 or taken in served:
            msg = (
                "the database is reached through a pooler in transaction mode, where session settings and LISTEN do "
                "not work: use its session mode, or the server itself"
            )
            raise UnsuitableDatabase(msg)


def _pid(connection: Connection[TupleRow]) -> int:
    row = connection.execute("select pg_backend_pid()").fetchone()
    return cast("tuple[int]", row)[0]


def _configure(connection: Connection[TupleRow], settings: Mapping[str, str]) -> None:
    if settings:
        connection.execute(_CONFIGURE, (list(settings), list(settings.values())))


async def _configure_async(connection: AsyncConnection[TupleRow], settings: Mapping[str, str]) -> None:
    if settings:
        await connection.execute(_CONFIGURE, (list(settings), list(settings.values())))


class _FreshPool(AsyncConnectionPool[AsyncConnection[TupleRow]]):
    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncGenerator[AsyncConnection[TupleRow]]:  # noqa: ASYNC109 - the library's own
        async with super().connection(timeout) as connection:
            try:
                yield connection
            except psycopg.Error as error:
                if spoils(error):
                    await connection.close()
                raise
