"""Drill the restoring of PostgreSQL: back it up under load, lose it, restore it, reconcile, and check everything.

Prints a row for each way to back it up, for docs/operating.md.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from subprocess import PIPE

from local.postgres_server import BIN
from tests.faults.support.hurt_system import ROLES, System, on_own_servers, under
from tests.faults.support.roles import PROGRAM
from tests.support.scale import SCALE
from transport.clients.postgres import connect

INVOICES = 100 * SCALE
KILLED_AFTER = (1.0, 1.6, 2.2)
"""Seconds after which `reconcile` is killed, before it may finish."""
BackUp = Callable[[System, Path], Awaitable[Callable[[], None]]]
"""Backs up the running server of a system into a folder; returns what restores it while no role runs."""


async def base_backup(system: System, folder: Path) -> Callable[[], None]:
    """Copy the files of the running server with `pg_basebackup`, and the WAL that was written meanwhile."""
    with connect(system.addresses.database, "drill") as connection:
        ((data,),) = connection.execute("select current_setting('data_directory')").fetchall()
    where = ("--pgdata", str(folder / "base"), "--dbname", system.addresses.database)
    await asyncio.to_thread(_run, "pg_basebackup", "--wal-method=stream", "--checkpoint=fast", *where)

    def restore() -> None:
        owner = Path(data).stat()
        system.postgres.kill()
        shutil.rmtree(data)
        (folder / "base").rename(data)
        for path in (Path(data), *Path(data).rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        system.postgres.start()

    return restore


async def dump(system: System, folder: Path) -> Callable[[], None]:
    """Dump the database with `pg_dump`."""
    database = system.addresses.database
    await asyncio.to_thread(_run, "pg_dump", "--format=custom", f"--file={folder}/dump", f"--dbname={database}")

    def restore() -> None:
        system.postgres.kill()
        system.postgres.start()
        maintenance = f"{database.rpartition('/')[0]}/postgres"
        _run("dropdb", "--force", f"--maintenance-db={maintenance}", "redletter")
        _run("createdb", f"--maintenance-db={maintenance}", "redletter")
        _run("pg_restore", f"--dbname={database}", f"{folder}/dump")

    return restore


async def lose_and_restore(system: System, back_up: BackUp, folder: Path, figures: list[str]) -> None:
    """Back up under load; kill the server and all roles later, restore, reconcile, and start the roles again."""
    await system.outside.progress(since=0, by=300 * SCALE)
    begun = time.monotonic()
    restore = await back_up(system, folder)
    figures.append(f"backup {time.monotonic() - begun:.1f} s")
    await system.outside.progress(since=system.outside.answered, by=600 * SCALE)
    for role in ROLES:
        system.roles.kill(role)
    begun = time.monotonic()
    await asyncio.to_thread(restore)
    figures.append(f"restore {time.monotonic() - begun:.1f} s")
    for seconds in KILLED_AFTER:
        process = await _reconcile(system)
        await asyncio.sleep(seconds)  # wherever it is then
        if process.returncode is None:
            process.kill()
        await process.communicate()
    begun = time.monotonic()
    process = await _reconcile(system)
    said, _ = await process.communicate()
    if process.returncode:
        msg = f"reconcile exits {process.returncode}"
        raise AssertionError(msg)
    entries = said.decode().splitlines()[-1].partition(";")[0]
    figures.append(f"reconcile, killed {len(KILLED_AFTER)} times before, {time.monotonic() - begun:.1f} s: {entries}")
    system.roles.start(*ROLES)


async def _reconcile(system: System) -> asyncio.subprocess.Process:
    environment = system.roles.environment_of("reconcile")
    return await asyncio.create_subprocess_exec(PROGRAM, "reconcile", env=environment, stdout=PIPE)


async def drill(back_up: BackUp) -> None:
    """Do one drill, and print its row. Raises: AssertionError where any evidence is missing."""
    with tempfile.TemporaryDirectory(prefix="redletter-drill-") as folder:
        figures: list[str] = []
        (Path(folder) / "logs").mkdir()
        async with on_own_servers(Path(folder) / "logs") as system:
            hurt = partial(lose_and_restore, system, back_up, Path(folder), figures)
            await under(hurt, system, invoices=INVOICES, noise=2)
            figures.append(f"{len(system.outside.sent)} records sent in all")
    print(f"| {(back_up.__doc__ or '').strip()} | {'; '.join(figures)} | {datetime.now(UTC):%Y-%m-%d} |")


def _run(program: str, *arguments: str) -> None:
    subprocess.run((BIN / program, *arguments), check=True)


if __name__ == "__main__":
    for way in (base_backup, dump):
        asyncio.run(drill(way))
