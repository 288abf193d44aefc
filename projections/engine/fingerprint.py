"""Which code a read model was built by: rows can only be compared when it is the same."""

from hashlib import sha256
from pathlib import Path

import events

_EVENTS = Path(events.__file__).parent
_PROJECTIONS = Path(__file__).parents[1]
_NO_FOLD = {"api", "console", "operations", "rebuild"}
"""Folders that have no part in what rows look like."""


def fingerprint() -> str:
    """Return what changes with every change of an event, a fold or a table."""
    files = sorted(_EVENTS.glob("*.py")) + sorted(
        file for file in _PROJECTIONS.rglob("*.py") if not _NO_FOLD.intersection(file.relative_to(_PROJECTIONS).parts)
    )
    return sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]
