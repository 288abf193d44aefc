"""Which code built the rows of a read model: rows can only be compared when it is the same."""

import ast
import gc
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_OWN_FILES = ("fold.py", "row.py", "table.py")
"""Files of a read model's folder that decide what its rows look like; its queries only read them."""
_CATALOGUE = "events/catalogue.py"
_ALWAYS = (
    "projections/engine/read_model.py",
    "events/invoice_events.py",
    "events/upcasting.py",
    "events/values.py",
    _CATALOGUE,
)


def fingerprint(folder: str, root: Path = _ROOT) -> str:
    """Return a hash of the code that makes the rows of the read model in a folder of `projections`.

    The code is its fold, row and table, and what they import from `projections` and `events`. The catalogue of messages
    counts, but not what it imports: it names every command and reply, and no row is made of those.
    """
    found: set[Path] = set()
    to_visit = [root / "projections" / folder / name for name in _OWN_FILES] + [root / name for name in _ALWAYS]
    while to_visit:
        file = to_visit.pop()
        if file not in found and file.is_file():
            found.add(file)
            if file != root / _CATALOGUE:
                to_visit += (root / f"{module.replace('.', '/')}.py" for module in _imported(file.read_bytes()))
    return sha256(b"\0".join(file.read_bytes() for file in sorted(found))).hexdigest()[:16]


@cache
def _imported(source: bytes) -> tuple[str, ...]:
    return tuple(_modules(parse_module(source)))


def parse_module(source: str | bytes) -> ast.Module:
    """Parse a module, with no garbage collection in between.

    CPython 3.11 raises SystemError ("AST constructor recursion depth mismatch") when something parses while it parses.
    A collected task does whose exception nobody saw: it logs a traceback, and formatting one parses its lines.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if collecting:
            gc.enable()


def _modules(tree: ast.Module) -> Iterator[str]:
    """Yield the modules of Redletter that a module imports. ``from a.b import c`` may mean ``a.b`` or ``a.b.c``."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in {"events", "projections"}:
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)
