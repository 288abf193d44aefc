"""Wait for a condition, with a time limit."""

import time
from collections.abc import Callable

_CHECK_INTERVAL_SECONDS = 0.05


def wait_until(condition: Callable[[], bool], *, seconds: float, interval: float = _CHECK_INTERVAL_SECONDS) -> bool:
    """Wait until the condition holds; return whether it did.

    seconds: until it gives up. interval: seconds between two checks.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(interval)
    return True
