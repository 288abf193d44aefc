"""What commands show at a terminal of some width, and in a pipe.

Run as a program: each line of its input is a command as JSON, each line of its output what that showed in each mode.
The program is loaded once; each command runs in a process forked from it, on a terminal of its own.
"""

import json
import os
import pty
import sys
import termios
import tty
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypedDict

from redletter.cli.program import app
from tests.support.patience import patiently

MODES = ("80", "120", "no colour", "pipe")
_COLUMNS: Mapping[str, int] = {"80": 80, "120": 120, "no colour": 80}
_HEAVY = ("redletter.checkup", "redletter.message_trace", "redletter.read_models", "redletter.consumer_positions")
"""Loaded before the first fork, so that no process does it again."""


class Called(TypedDict):
    """A command: its arguments, and what is on its standard input."""

    arguments: Sequence[str]
    given: str


class Shown(NamedTuple):
    """What a command showed on standard output and on standard error, which is a file, and its exit code."""

    code: int
    output: str
    stderr: str


def _shown(called: Called, mode: str) -> Shown:
    ours, theirs = pty.openpty() if mode in _COLUMNS else os.pipe()
    given, errors = os.memfd_create("given"), os.memfd_create("errors")
    os.write(given, called["given"].encode())
    os.lseek(given, 0, os.SEEK_SET)
    if mode in _COLUMNS:
        tty.setraw(theirs)  # so that a line ends as the command ends it
        termios.tcsetwinsize(theirs, (24, _COLUMNS[mode]))
    child = os.fork()
    if not child:
        for number, file in enumerate((given, theirs, errors)):
            os.dup2(file, number)
        os.environ |= {"TERM": "xterm-256color", **({"NO_COLOR": "1"} if mode == "no colour" else {})}
        os.closerange(3, 100)
        _become(called["arguments"])
    os.close(theirs)
    output = _read(ours)
    _, status = os.waitpid(child, 0)
    os.lseek(errors, 0, os.SEEK_SET)
    told = os.read(errors, 1 << 20).decode()
    for file in (ours, given, errors):
        os.close(file)
    return Shown(os.waitstatus_to_exitcode(status), output, told)


def _become(arguments: Sequence[str]) -> None:
    code: int | str | None = 1
    try:
        app(arguments, prog_name="redletter")
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)


def _read(file: int) -> str:
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(file, 1 << 16)
        except OSError:  # how a terminal says that nobody writes to it any more
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


if __name__ == "__main__":
    for module in _HEAVY:
        __import__(module)
    for line in sys.stdin:
        called: Called = json.loads(line)
        sys.stdout.write(json.dumps({mode: patiently(partial(_shown, called, mode)) for mode in MODES}) + "\n")
        sys.stdout.flush()
