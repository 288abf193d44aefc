"""Sessions of people who have logged in.

They are in PostgreSQL: every api knows them, a restart ends none, and logging out ends one everywhere. Of the secret
in the cookie only a digest is stored, so that who reads the table has nobody's session.
"""

import secrets
import time
from hashlib import sha256
from typing import LiteralString

from fastapi import Request, Response

from web.http.private_cookies import cookie, drop_cookie, set_cookie
from web.http.reading import Connection, Reader
from web.http.tokens import CallerClaims

LASTING = 8 * 3600
"""Seconds of a session: a working day. The provider is then asked again who that is and what they may see."""
_COOKIE = "session"
_BEGIN: LiteralString = """
    with ended as (delete from redletter.sessions where expires_at < now() or digest = %s)
    insert into redletter.sessions (digest, claims, expires_at) values (%s, %s, to_timestamp(%s))
    on conflict do nothing
"""
_FIND: LiteralString = "select claims::text from redletter.sessions where digest = %s and expires_at > now()"
_END: LiteralString = "delete from redletter.sessions where digest = %s"


class Sessions:
    """Begins, finds and ends sessions.

    table: asks a server that takes writes: on a standby that lags, a session would begin and end late.
    """

    def __init__(self, table: Reader) -> None:
        self._table = table

    async def begin(self, request: Request, answer: Response, claims: CallerClaims) -> None:
        """Let a browser have a session from this answer on, in place of any before. Raises: those of `of`."""
        before = cookie(request, _COOKIE)
        lasting = claims.model_copy(update={"exp": time.time() + LASTING})
        secret = secrets.token_urlsafe(32)
        await self._write(
            _BEGIN, _digest(before) if before else None, _digest(secret), lasting.model_dump_json(), lasting.exp
        )
        set_cookie(request, answer, _COOKIE, secret)

    async def of(self, request: Request) -> CallerClaims | None:
        """Return whose session a request belongs to, if it belongs to one. Raises: TimeoutError, psycopg.Error."""
        secret = cookie(request, _COOKIE)
        if secret is None:
            return None

        async def find(connection: Connection) -> CallerClaims | None:
            row = await (await connection.execute(_FIND, [_digest(secret)])).fetchone()
            return CallerClaims.model_validate_json(row[0]) if row else None

        return await self._table.read(find)

    async def end(self, request: Request, answer: Response) -> None:
        """End the session that a request belongs to, if it belongs to one. Raises: those of `of`."""
        secret = cookie(request, _COOKIE)
        if secret is not None:
            await self._write(_END, _digest(secret))
            drop_cookie(request, answer, _COOKIE)

    async def _write(self, statement: LiteralString, *values: object) -> None:
        """Run a statement that may run twice, when its first answer is lost."""

        async def write(connection: Connection) -> None:
            await connection.execute(statement, values)

        await self._table.read(write)


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
