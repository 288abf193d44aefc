"""How many requests a caller may make, so that none of them takes the time of the others."""

import time
from math import ceil

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter


class RateLimit:
    """Counts the requests of each caller at this api, over the last minute."""

    def __init__(self, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        self._counted = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def seconds_to_wait(self, subject: str) -> int:
        """Count a request of a caller, and return 0; or return after how many seconds to make it again."""
        if await self._counted.hit(self._limit, subject):
            return 0
        again_at = (await self._counted.get_window_stats(self._limit, subject)).reset_time
        return max(1, ceil(again_at - time.time()))
