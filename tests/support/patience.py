"""Commands that give up on servers soon, which may only be busy with other tests."""

import re
from collections.abc import Callable
from typing import Protocol, TypeVar

_GAVE_UP = re.compile(r"not answer(ed)?\s+(within|for)|no\s+reply\s+to\s.*\swithin|Kafka\s+delivers\s+no\s+records")
_MOST_TRIES = 6
"""Each gives up after 10 s at the earliest."""


class _Ended(Protocol):
    """A command that has been run."""

    @property
    def stderr(self) -> str: ...


_AnyEnded = TypeVar("_AnyEnded", bound=_Ended)


def patiently(run: Callable[[], _AnyEnded]) -> _AnyEnded:
    """Run a command that is safe to run again, and again while it gives up on servers; return how it ended at last."""
    ended = run()
    for _ in range(_MOST_TRIES - 1):
        if not _GAVE_UP.search(ended.stderr):
            break
        ended = run()
    return ended
