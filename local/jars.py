"""Jars from Maven Central, each checked against the SHA-256 pinned in this tree.

All runs on the machine share one folder in the user's cache, under a lock. A jar is moved there only when its checksum
is right, so the folder never holds a broken one.
"""

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import jgo
import stamina
from jgo.maven import MavenContext
from platformdirs import user_cache_path

from local import terminal

_MAX_PARALLEL_DOWNLOADS = 8


class WrongChecksum(Exception):
    """A downloaded jar is not the one that was pinned."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One jar: its Maven coordinates ``group:artifact:version`` and its SHA-256 in hex."""

    coordinates: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The jar's name in the cache."""
        _, artifact, version = self.coordinates.split(":")
        return f"{artifact}-{version}.jar"

    @classmethod
    def read(cls, line: str) -> Self:
        """Read a line of the file of pins."""
        sha256, coordinates = line.split()
        return cls(coordinates, sha256)


def pinned(pins_file: Path) -> Sequence[Pin]:
    """Return every jar of a file of pins."""
    return [Pin.read(line) for line in pins_file.read_text().splitlines() if line]


def jars(pins_file: Path, program: str, say: Callable[[str], None], cache: Path | None = None) -> Sequence[Path]:
    """Return the jars of a file of pins, all checked, after downloading those that are missing.

    program: what they make up, for people. say: called with progress while something is downloaded. cache: a folder
    shared by all runs; None for the user's.

    Raises: WrongChecksum, OSError when the repository cannot be reached.
    """
    cache = cache or user_cache_path("redletter") / "kafka"
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        wanted = pinned(pins_file)
        missing = [pin for pin in wanted if _sha256(cache / pin.file_name) != pin.sha256]
        if missing:
            _download(missing, cache, lambda progress: say(f"downloading {program}: {progress}"))
    return [cache / pin.file_name for pin in wanted]


def _download(missing: Sequence[Pin], cache: Path, say: Callable[[str], None]) -> None:
    say(f"{len(missing)} jars, once for this machine")
    # A new folder each time: the library would accept a file that an earlier try left half written.
    staging = Path(tempfile.mkdtemp(dir=cache, prefix="staging-"))
    try:
        with ThreadPoolExecutor(_MAX_PARALLEL_DOWNLOADS) as threads:
            for done, _ in enumerate(threads.map(partial(_fetch, staging=staging, cache=cache), missing), 1):
                if done % _MAX_PARALLEL_DOWNLOADS == 0 or done == len(missing):
                    say(f"{done} of {len(missing)}")
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@stamina.retry(on=OSError, attempts=4, timeout=60.0)
def _fetch(pin: Pin, staging: Path, cache: Path) -> None:
    repository = Path(tempfile.mkdtemp(dir=staging))
    group, artifact, version = pin.coordinates.split(":")
    jar = MavenContext(repo_cache=repository).project(group, artifact).at_version(version).artifact().resolve()
    if (actual := _sha256(jar)) != pin.sha256:
        msg = f"{pin.coordinates} has the SHA-256 {actual}, but {pin.sha256} is pinned"
        raise WrongChecksum(msg)
    jar.replace(cache / pin.file_name)


def _sha256(file: Path) -> str | None:
    if not file.exists():
        return None
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def _locked(lock: Path) -> Generator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def pin(coordinates: str, pins_file: Path) -> None:
    """Resolve and download what these coordinates need, and write the file of pins."""
    pins_file.write_text(
        "".join(f"{line}\n" for line in sorted(_resolve(coordinates), key=lambda line: line.split()[1]))
    )
    terminal.print_to_stderr(f"pinned {len(pinned(pins_file))} jars in {pins_file}")


def _resolve(coordinates: str) -> Iterable[str]:
    with tempfile.TemporaryDirectory() as repository:
        context = MavenContext(repo_cache=Path(repository))
        for jar in jgo.resolve(coordinates):
            found = context.project(jar.groupId, jar.artifactId).at_version(jar.version).artifact()
            yield f"{_sha256(found.resolve())}  {jar.groupId}:{jar.artifactId}:{jar.version}"
