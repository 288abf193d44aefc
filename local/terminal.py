"""The one place that writes for people: what comes from outside cannot steer their terminal.

JSON is written for programs and says the same as before: what a terminal would obey stands in it as JSON's own escape.
"""

import json
import re
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, ProgressColumn
from rich.table import Table
from rich.text import Text

_OBEYED = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
"""C0 and C1 controls (ESC, BEL, CSI), line separators, bidirectional controls, and halves of surrogate pairs."""
_CONTROL = re.compile(f"[{_OBEYED}]")
_CONTROL_BUT_NEWLINE = re.compile(f"(?!\n)[{_OBEYED}]")
_NAMES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_BYTE = 0x100
_NO_TERMINAL_COLUMNS = 10_000
"""One row a line, however long it is."""


def plain(text: str, *, longest: int | None = None) -> str:
    r"""Return text on one line, with each control character as a visible escape such as ``\x1b`` or ``\u202e``.

    longest: characters; of a longer text the beginning is left, and ``…``.
    """
    cut = text if longest is None or len(text) <= longest else f"{text[:longest]}…"
    return _CONTROL.sub(_escape, cut)


def plain_lines(text: str) -> str:
    """Return text as `plain` does, but with its lines."""
    return _CONTROL_BUT_NEWLINE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return _NAMES.get(found[0]) or (f"\\x{code:02x}" if code < _BYTE else f"\\u{code:04x}")


def say(line: str) -> None:
    """Write a line on standard output, at once."""
    sys.stdout.write(f"{plain(line)}\n")
    sys.stdout.flush()


def tell(text: str) -> None:
    """Write progress or a reason on standard error, at once: a line, or several."""
    sys.stderr.write(f"{plain_lines(text)}\n")
    sys.stderr.flush()


def say_json(value: object) -> None:
    """Write a value on standard output as a line of JSON."""
    text = json.dumps(value, ensure_ascii=False)
    sys.stdout.write(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")
    sys.stdout.flush()


def say_table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table on standard output, as wide as its terminal; where there is none, one row a line."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_NO_TERMINAL_COLUMNS)
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(plain(str(cell))) for cell in row))  # as it is: brackets are no markup
    with console.capture() as captured:
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())
    sys.stdout.flush()


@contextmanager
def progress(*columns: ProgressColumn, transient: bool = False) -> Generator[Progress]:
    """Show bars on standard error for the length of a block; nothing where that is no terminal."""
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=transient, disable=not console.is_terminal) as bars:
        yield bars


@contextmanager
def reading() -> Generator[Callable[[int, int], None]]:
    """Show how far the reading of topics is, told by (records read, records in all)."""
    with progress(transient=True) as bars:
        task = bars.add_task("reading the topics", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
