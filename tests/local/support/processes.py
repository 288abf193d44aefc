"""Which processes are still there."""

import os
from collections.abc import Sequence


def alive(pids: Sequence[int]) -> list[int]:
    """Return which of the processes are still there."""
    return [pid for pid in pids if _is_there(pid)]


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
