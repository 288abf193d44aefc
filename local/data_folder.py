"""The data folder of `up`: it holds a lock while the system runs, and the addresses by which other commands find it."""

import fcntl
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from transport.kafka_security import KafkaSecurity

_LOCK = "up.lock"
_ADDRESSES = "running.json"


class AlreadyRunning(Exception):
    """Another `up` runs on the folder."""


class FolderUnusable(Exception):
    """The data folder cannot be created or written to; the message says why."""


class NotRunning(Exception):
    """No `up` runs on the folder; the message says what to do, and more advice may be appended."""


@dataclass(frozen=True, slots=True)
class SystemAddresses:
    """Where a running system is: bootstrap servers, a libpq URL, and the api's ``http://host:port``.

    api: None if the system runs without it. read_models: the URL of their database, if it is not that of the log.
    kafka_user, kafka_password: who alone is let in by the embedded Kafka; None if everybody is.
    """

    kafka: str
    database: str
    api: str | None
    read_models: str | None = None
    kafka_user: str | None = None
    kafka_password: str | None = field(default=None, repr=False)

    @property
    def kafka_security(self) -> KafkaSecurity:
        """How to connect to the embedded Kafka."""
        if self.kafka_user is None:
            return KafkaSecurity()
        return KafkaSecurity("SASL_PLAINTEXT", "PLAIN", self.kafka_user, self.kafka_password)


def lock_folder(folder: Path) -> IO[str]:
    """Lock the folder for this process, until the returned file is closed or the process ends.

    Raises: AlreadyRunning, FolderUnusable.
    """
    try:
        # For this user only: the servers' files hold every invoice.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / _LOCK).open("a")
    except OSError as error:
        raise FolderUnusable(_unusable(folder, error)) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        msg = f"another `redletter up` runs on the folder {folder}; stop it first, or set REDLETTER_DATA_DIR to another"
        raise AlreadyRunning(msg) from None
    # Left over from an `up` that was killed.
    (folder / _ADDRESSES).unlink(missing_ok=True)
    return lock


def write_addresses(folder: Path, running: SystemAddresses) -> None:
    """Write the addresses, for this user only: there are passwords among them."""
    new = folder / f"{_ADDRESSES}.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps(asdict(running)))
    new.replace(folder / _ADDRESSES)


def find_running(folder: Path) -> SystemAddresses:
    """Return the addresses of the system that runs on a folder. Raises: NotRunning."""
    if _is_locked(folder):
        with suppress(FileNotFoundError):
            return SystemAddresses(**json.loads((folder / _ADDRESSES).read_text()))
        msg = f"the `redletter up` on the folder {folder} is still starting; try again when it says `ready`"
        raise NotRunning(msg)
    msg = f"no `redletter up` runs on the folder {folder}; start one"
    raise NotRunning(msg)


def _unusable(folder: Path, error: OSError) -> str:
    return f"the data folder {folder} cannot be used: {error.strerror}; set REDLETTER_DATA_DIR to another"


def _is_locked(folder: Path) -> bool:
    try:
        with (folder / _LOCK).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    except OSError as error:
        raise NotRunning(_unusable(folder, error)) from None
    return False
