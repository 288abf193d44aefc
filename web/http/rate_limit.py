"""How many requests a caller may make, so that none of them takes the time of the others."""

import time
from collections import Counter

_MINUTE = 60
"""Seconds."""


class RateLimit:
    """Counts the requests of each caller at this api, over the last minute.

    Of the minute before this one as much counts as the last 60 s still cover, as if its requests had come evenly.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._minute = 0.0
        self._before = Counter[str]()
        self._now = Counter[str]()

    def seconds_to_wait(self, subject: str) -> int:
        """Count a request of a caller, and return 0; or return after how many seconds to make it again."""
        past = self._past_of_this_minute()
        before, room = self._before[subject], self._per_minute - self._now[subject]
        if before * (_MINUTE - past) < room * _MINUTE:
            self._now[subject] += 1
            return 0
        until = _MINUTE - (room * _MINUTE / before if room else 0)
        return int(until - past) + 1

    def _past_of_this_minute(self) -> float:
        """Return how many seconds of this minute are over; forget the counts of minutes that are."""
        minute, past = divmod(time.monotonic(), _MINUTE)
        if minute != self._minute:
            self._before = self._now if minute == self._minute + 1 else Counter()
            self._minute, self._now = minute, Counter()
        return past
