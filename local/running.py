"""Where the running system is: written down by `up` in its data folder, found there by every other command."""

import fcntl
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

_LOCK = "up.lock"
_ADDRESSES = "running.json"


class AlreadyRunning(Exception):
    """Another `up` runs on the folder."""


class FolderUnusable(Exception):
    """The data folder cannot be made or written to; the message says why."""


class NothingRuns(Exception):
    """No `up` runs on the folder; the message says what to do, and further advice may follow it."""


@dataclass(frozen=True, slots=True)
class Running:
    """The addresses of a running system: bootstrap servers, a libpq URL, and the api's ``http://host:port``.

    api: None where the system runs without it.
    """

    kafka: str
    database: str
    api: str | None


def take(folder: Path) -> IO[str]:
    """Take the folder for this process; it is given back when the file returned is closed, or the process ends.

    Raises: AlreadyRunning, FolderUnusable.
    """
    try:
        # For this user alone: the servers' files hold every invoice.
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
    # Of an `up` that was killed.
    (folder / _ADDRESSES).unlink(missing_ok=True)
    return lock


def write(folder: Path, running: Running) -> None:
    """Write the addresses down, for this user alone: the database's holds a password."""
    new = folder / f"{_ADDRESSES}.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps(asdict(running)))
    new.replace(folder / _ADDRESSES)


def find(folder: Path) -> Running:
    """Return the addresses of the system that runs on a folder. Raises: NothingRuns."""
    if _taken(folder):
        with suppress(FileNotFoundError):
            return Running(**json.loads((folder / _ADDRESSES).read_text()))
        msg = f"the `redletter up` on the folder {folder} is still starting; try again when it says `ready`"
        raise NothingRuns(msg)
    msg = f"no `redletter up` runs on the folder {folder}; start one"
    raise NothingRuns(msg)


def _unusable(folder: Path, error: OSError) -> str:
    return f"the data folder {folder} cannot be used: {error.strerror}; set REDLETTER_DATA_DIR to another"


def _taken(folder: Path) -> bool:
    try:
        with (folder / _LOCK).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    except OSError as error:
        raise NothingRuns(_unusable(folder, error)) from None
    return False
