"""Roles of PostgreSQL that log in, each with no more rights than `redletter grants` gives it."""

from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from redletter.database_grants import GRANTED_ROLES


def let_log_in(owner_url: str) -> None:
    """Let every role that has been granted something log in; its password is its name."""
    with psycopg.connect(owner_url) as connection:
        for role in GRANTED_ROLES:
            name = f"redletter_{role}"
            connection.execute(SQL("alter role {} login password {}").format(Identifier(name), Literal(name)))


def logged_in_as(role: str, owner_url: str) -> str:
    """Return the URL with which a role logs in; whoever is no such role is the owner."""
    if role not in GRANTED_ROLES:
        return owner_url
    url = urlsplit(owner_url)
    host = url.netloc.rpartition("@")[2]
    return url._replace(netloc=f"redletter_{role}:redletter_{role}@{host}").geturl()
