"""The only module that writes to the terminal: text from outside cannot control it.

Control characters become visible escapes; in JSON they become JSON's own escapes, so that its content stays the same.
"""

import json
import re
import sys
from collections.abc import Callable, Generator, Iterable, Sequence, Sized
from contextlib import contextmanager
from typing import TypeVar

from rich.cells import cell_len
from rich.console import Console
from rich.progress import Progress, ProgressColumn
from rich.table import Column, Table
from rich.text import Text

_CONTROLS = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
"""C0 and C1 controls (ESC, BEL, CSI), line separators, bidirectional controls, and halves of surrogate pairs."""
_CONTROL = re.compile(f"[{_CONTROLS}]")
_CONTROL_BUT_NEWLINE = re.compile(f"(?!\n)[{_CONTROLS}]")
_NAMES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_BYTE = 0x100
_Thing = TypeVar("_Thing")
_SHORT, _GAP = 32, 2
"""Columns of a table's column that is never folded, and between two of them."""
_ANY_HEIGHT = 25
"""Without one, the library asks the terminal for its width, too."""
_NO_TERMINAL_COLUMNS = 10_000
"""Wide enough for one row per line."""


def plain(text: str, *, longest: int | None = None) -> str:
    r"""Return text on one line, with each control character as a visible escape such as ``\x1b`` or ``\u202e``.

    longest: characters; a longer text is cut and ends with ``…``.
    """
    cut = text if longest is None or len(text) <= longest else f"{text[:longest]}…"
    return _CONTROL.sub(_escape, cut)


def plain_lines(text: str) -> str:
    """Return text like `plain`, but keep its line breaks."""
    return _CONTROL_BUT_NEWLINE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return _NAMES.get(found[0]) or (f"\\x{code:02x}" if code < _BYTE else f"\\u{code:04x}")


def is_watched() -> bool:
    """Return whether standard error is a terminal, so that people read what is written there."""
    return sys.stderr.isatty()


def print_line(line: str) -> None:
    """Write a line to standard output and flush it."""
    sys.stdout.write(f"{plain(line)}\n")
    sys.stdout.flush()


def print_to_stderr(text: str) -> None:
    """Write progress or a reason to standard error, in one or several lines, and flush it."""
    sys.stderr.write(f"{plain_lines(text)}\n")
    sys.stderr.flush()


def json_line(value: object) -> str:
    """Return a value as JSON on one line, with each control character as JSON's own escape."""
    text = json.dumps(value, ensure_ascii=False)
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_json(value: object) -> None:
    """Write a value to standard output as a line of JSON."""
    sys.stdout.write(f"{json_line(value)}\n")
    sys.stdout.flush()


def print_table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table to standard output; if that is no terminal, with one row per line.

    At a terminal it is as wide as that. It is wider where its words need it: a number or an id is never broken, so that
    it can be copied.
    """
    names, cells = list(columns), [[plain(str(cell)) for cell in row] for row in rows]
    console = Console()
    room = console.width if console.is_terminal else _NO_TERMINAL_COLUMNS
    widths = _widths(list(zip(names, *cells, strict=True)), room)
    heads = (Column(name, overflow="fold", width=width) for name, width in zip(names, widths, strict=True))
    table = Table(*heads, box=None, pad_edge=False, header_style="bold")
    for row in cells:
        table.add_row(*map(Text, row))  # literally: brackets are not markup
    wide = Console(width=sum(widths) + _GAP * len(widths), height=_ANY_HEIGHT)
    with wide.capture() as captured:
        wide.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())
    sys.stdout.flush()


def _widths(columns: Sequence[Sequence[str]], room: int) -> Sequence[int]:
    """Return how wide each column is: long ones share what is left, and none is narrower than its longest word."""
    full = [max(map(cell_len, column)) for column in columns]
    words = [max((cell_len(word) for text in column for word in text.split()), default=0) for column in columns]
    least = [width if width <= _SHORT else word for width, word in zip(full, words, strict=True)]
    left, wanted = room - _GAP * len(columns) - sum(least), sum(full) - sum(least)
    share = min(1.0, max(0.0, left / wanted)) if wanted else 0.0
    return [low + int((high - low) * share) for low, high in zip(least, full, strict=True)]


@contextmanager
def progress_bars(*columns: ProgressColumn, transient: bool = False) -> Generator[Progress]:
    """Show progress bars on standard error for the length of a block, if it is a terminal."""
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=transient, disable=not console.is_terminal) as bars:
        yield bars


@contextmanager
def counting(what: str, things: Iterable[_Thing]) -> Generator[Iterable[_Thing]]:
    """Show how many things have been taken, of how many if that is known, if standard error is a terminal."""
    with progress_bars(transient=True) as bars:
        yield bars.track(things, total=len(things) if isinstance(things, Sized) else None, description=what)


@contextmanager
def reading_progress() -> Generator[Callable[[int, int], None]]:
    """Show a bar for reading topics; call the result with (records read, total records)."""
    with progress_bars(transient=True) as bars:
        task = bars.add_task("reading the topics", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
