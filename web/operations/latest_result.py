"""The newest result of something that may take long: who asks waits a moment for a new one, and no longer."""

import asyncio
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Generic, TypeVar

from web.http.time_limits import attempt

_Result = TypeVar("_Result")

_REPEAT_SECONDS = 5.0
"""Seconds between two looks while nobody asks."""
_MAX_AGE_SECONDS = 15.0
"""An older result is not given."""
_WAIT_SECONDS = 0.04
"""Seconds that one who asks waits for a new result; the first one waits for as long as the look may take."""


class LatestResult(Generic[_Result]):
    """Looks every few seconds and whenever it is asked, one look at a time, and keeps what the last one found."""

    def __init__(self, what: str, seconds: float, look: Callable[[], Coroutine[None, None, _Result]]) -> None:
        """Look at nothing yet. what: for the log. seconds: time limit for a look.

        look: when it fails it raises what `attempt` catches.
        """
        self._what = what
        self._seconds = seconds
        self._look = look
        self._looking: asyncio.Task[None] | None = None
        self._found: _Result | None = None
        self._found_at: float | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            while True:
                await asyncio.wait({self._begin()})
                await asyncio.sleep(_REPEAT_SECONDS)
        finally:
            self._begin().cancel()

    async def newest(self) -> _Result | None:
        """Return what was found last, or None where the last look failed or was too long ago."""
        await asyncio.wait({self._begin()}, timeout=None if self._found_at is None else _WAIT_SECONDS)
        if self._found_at is None or monotonic() - self._found_at > _MAX_AGE_SECONDS:
            return None
        return self._found

    def _begin(self) -> asyncio.Task[None]:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._once())
        return self._looking

    async def _once(self) -> None:
        self._found = await attempt(self._what, self._seconds, self._look())
        self._found_at = monotonic()
