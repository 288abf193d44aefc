"""Work for a person who waits: it ends within a time limit, whatever a client of a frozen server does."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
_CHECK_INTERVAL_SECONDS = 0.1


class TimeLimitExceeded(Exception):
    """The work did not end in time, and still runs in its thread; the message says what does not answer."""


class TimeLimited(Generic[T]):
    """Work in its own thread, for at most some seconds after it last made progress."""

    def __init__(self, work: Callable[[], T], *, seconds: float, reason: str) -> None:
        """seconds: the limit. reason: what to say when it has passed."""
        self._work = work
        self._seconds = seconds
        self._reason = reason
        self._result: T | None = None
        self._error: BaseException | None = None
        self.restart()

    def restart(self) -> None:
        """Start the limit again: the work made progress."""
        self._deadline = time.monotonic() + self._seconds

    def result(self) -> T:
        """Do the work and return its result. Raises: TimeLimitExceeded, and whatever the work raises."""
        thread = threading.Thread(target=self._do, daemon=True)
        thread.start()
        while thread.is_alive():
            if time.monotonic() > self._deadline:
                raise TimeLimitExceeded(self._reason)
            thread.join(_CHECK_INTERVAL_SECONDS)
        if self._error:
            raise self._error
        return self._result  # pyright: ignore[reportReturnType] - set where there is no error

    def _do(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            self._error = error
