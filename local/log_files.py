"""Read the log files of programs: the last lines, or new lines as they come."""

import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from structlog.processors import LogfmtRenderer

from local import terminal

_CHECK_INTERVAL_SECONDS = 0.2
_readable = LogfmtRenderer(key_order=["timestamp", "level", "event"])


def last_lines(file: Path, count: int = 20) -> str:
    """Return the end of a log, or that there is none."""
    if not file.exists():
        return "(nothing)"
    return "\n".join(file.read_text(errors="replace").splitlines()[-count:])


class LogFile:
    """A growing log, which may be rotated."""

    def __init__(self, path: Path) -> None:
        """Begin at the end of what is there now."""
        self._path = path
        self._rest = b""
        self._file: BinaryIO | None = None
        if path.exists():
            self._file = path.open("rb")
            self._file.seek(0, 2)

    def lines(self) -> Sequence[str]:
        """Return the whole lines that came since the last time."""
        read = self._read()
        if self._close_if_rotated():
            read += self._read()
        *whole, self._rest = (self._rest + read).split(b"\n")
        return [line.decode(errors="replace") for line in whole]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _read(self) -> bytes:
        if self._file is None:
            if not self._path.exists():
                return b""
            self._file = self._path.open("rb")
        return self._file.read()

    def _close_if_rotated(self) -> bool:
        """Close a file that is no longer the log; return whether it was rotated."""
        if self._file is None or not self._path.exists():
            return False
        if os.fstat(self._file.fileno()).st_ino == self._path.stat().st_ino:
            return False
        self._file.close()
        self._file = None
        return True


class LogFollower:
    """Copies logs to standard error for the length of a block, to the last line written in it.

    Lines of JSON, which name their role, are copied unchanged; on a terminal they become ``key=value``. Every other
    line gets its program's name in front.
    """

    def __init__(self, logs: Mapping[str, Path]) -> None:
        """Follow these files, by the names of their programs."""
        self._files = {name: LogFile(path) for name, path in logs.items()}
        self._width = max(map(len, logs), default=0)
        self._for_people = terminal.is_watched()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> None:
        """Begin."""
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Copy the rest, and end."""
        self._ended.set()
        self._thread.join()
        for file in self._files.values():
            file.close()

    def _follow(self) -> None:
        ended = False
        while not ended:
            ended = self._ended.wait(_CHECK_INTERVAL_SECONDS)
            for name, file in self._files.items():
                for line in file.lines():
                    terminal.print_to_stderr(self._shown(name, line))

    def _shown(self, name: str, line: str) -> str:
        record = _record(line)
        if record and not self._for_people:
            return terminal.plain(line)
        text = _readable(None, "", record) if record else line
        return f"{name:<{self._width}} | {terminal.plain(text)}"


def _record(line: str) -> dict[str, object] | None:
    """Return the record that a line of JSON holds, without its role; None for any other line."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    fields = cast("dict[str, object]", record)
    if "event" not in fields or not all(map(str.isidentifier, fields)):
        return None
    return {key: value for key, value in fields.items() if key != "role"}
