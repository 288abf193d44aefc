"""Wait for a condition, with a bound."""

import time
from collections.abc import Callable

EVERY = 0.05
"""Seconds between two looks."""


def wait_until(condition: Callable[[], bool], *, within: float, every: float = EVERY) -> bool:
    """Look until the condition holds; tell whether it did.

    within: seconds until it gives up. every: seconds between two looks.
    """
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True
