"""What a newer release has stored: this program must neither decide on it nor pass over it."""

from collections.abc import Callable
from typing import TypeVar

from events.upcasting import WrittenByNewerRelease
from transport.unfit import Unfit

_Stored = TypeVar("_Stored")


class ProgramTooOld(Unfit):
    """A newer release has stored what this one does not know; what it would make of it would be wrong."""


def read_known(read: Callable[[str, bytes], _Stored], name: str, body: bytes) -> _Stored:
    """Read what was stored under a name. Raises: ProgramTooOld, and what else ``read`` raises."""
    try:
        return read(name, body)
    except WrittenByNewerRelease as newer:
        raise too_old(newer) from newer


def too_old(newer: WrittenByNewerRelease) -> ProgramTooOld:
    """Return why this program must end."""
    return ProgramTooOld(
        f"the log holds {newer} of a newer release, which this program does not know: run the newer release"
    )
