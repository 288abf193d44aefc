"""Queries that are read from a standby of the read models' database."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from local.child_server import ChildServer
from local.postgres_server import BIN, PostgresServer, embedded_postgres
from projections import schema
from tests.projections.support import facts
from tests.support.waiting import until
from tests.web.support.serving import serving
from tests.web.support.story import store
from transport.addresses import Addresses
from transport.clients import postgres


class Standby(PostgresServer):
    """A server that follows another one, and is read-only."""

    def answers(self) -> bool:
        try:
            with postgres.connect_reading(self.address, "tests"):
                return True
        except psycopg.OperationalError:
            return False


def follow(primary: str, owner: os.stat_result, folder: Path) -> Standby:
    """Copy a running server into a folder, and return the one that will follow it."""
    folder.mkdir()
    (folder / "password").write_text(str(conninfo_to_dict(primary)["password"]))
    copy = (BIN / "pg_basebackup", "--write-recovery-conf", "--checkpoint=fast", "-D", folder / "data", "-d", primary)
    subprocess.run(copy, check=True)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    return Standby(folder)


@pytest.fixture
def followed(tables: Addresses) -> Iterator[tuple[Addresses, Addresses]]:
    """Return the addresses of the projector, which writes the read models, and of an api, which reads a standby."""
    with tempfile.TemporaryDirectory(prefix="redletter-tests-") as name:
        folder = Path(name)
        with embedded_postgres(folder / "primary") as primary:
            schema.ensure_read_tables(primary.url)
            standby = follow(primary.url, (folder / "primary" / "data").stat(), folder / "standby")
            with ChildServer(standby, folder / "standby").running():
                yield (
                    Addresses(tables.kafka, tables.database, primary.url),
                    Addresses(tables.kafka, tables.database, standby.address),
                )


async def test_a_standby_answers_queries_and_is_waited_for(followed: tuple[Addresses, Addresses]) -> None:
    projector, api = followed
    postgres.check(api.of_read_side().database, "api", writes=False)
    store(projector.of_read_side(), versions=1)
    async with serving(api) as client:

        async def there() -> bool:
            return (await client.get(f"/invoices/{facts.NUMBER}")).status_code == 200

        await until(there)

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await until(ready)
        store(projector.of_read_side(), versions=2)

        async def followed_it() -> bool:
            own = await client.get(f"/invoices/{facts.NUMBER}/status?min_version=2&wait=5", timeout=60)
            return (own.status_code, own.json().get("version")) == (200, 2)

        await until(followed_it)
