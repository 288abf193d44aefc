"""Work for a person who waits: it ends within a bound, whatever a client of a frozen server does."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
LOOK_EVERY = 0.1
"""Seconds between two looks at work that goes on."""


class Overdue(Exception):
    """The work did not end in time, and still goes on in its thread; the message says what does not answer."""


class Bounded(Generic[T]):
    """Work in a thread of its own, for at most some seconds after it last moved."""

    def __init__(self, work: Callable[[], T], *, within: float, otherwise: str) -> None:
        """within: seconds. otherwise: what to say when they have passed."""
        self._work = work
        self._within = within
        self._otherwise = otherwise
        self._result: T | None = None
        self._error: BaseException | None = None
        self.moved()

    def moved(self) -> None:
        """Begin the bound anew: the work got further."""
        self._deadline = time.monotonic() + self._within

    def result(self) -> T:
        """Do the work and return its result. Raises: Overdue, and whatever the work raises."""
        thread = threading.Thread(target=self._do, daemon=True)
        thread.start()
        while thread.is_alive():
            if time.monotonic() > self._deadline:
                raise Overdue(self._otherwise)
            thread.join(LOOK_EVERY)
        if self._error:
            raise self._error
        return self._result  # pyright: ignore[reportReturnType] - set where there is no error

    def _do(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            self._error = error
