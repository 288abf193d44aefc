"""Write repeated warnings and errors less and less often during an outage, with how many were left out."""

import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from structlog import DropEvent
from structlog.typing import EventDict

from redletter import outages

_FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 60.0
"""Between two records of a kind. The pause doubles each time; after a minute without a record it starts again."""
_MAX_KINDS = 1000
_NEVER_THROTTLED = frozenset({"debug", "info"})
_REASON_FIELDS = ("error", "caused_by")
_NOT_FACTS = frozenset({"timestamp", "event"})
_LIBRARIES = ("aiokafka", "psycopg")
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
"""Numbers and object addresses do not make two texts different."""


@dataclass(slots=True)
class _Kind:
    """Records that say the same. pause: seconds until the next is written. left_out: since the last written one."""

    pause: float
    written_at: float
    last_at: float
    left_out: int = 0


class LogThrottle:
    """A log processor that drops warnings and errors of a kind that was written recently.

    At most one record per second about an outage is written, whatever its kind.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: monotonic seconds."""
        self._clock = clock
        self._kinds: dict[tuple[object, ...], _Kind] = {}
        self._outage_written_at = float("-inf")
        self._lock = threading.Lock()

    def __call__(self, _: object, __: str, record: EventDict) -> EventDict:
        """Pass a record on, with ``repeated`` if others of its kind were left out. Raises: DropEvent."""
        if record.get("level") in _NEVER_THROTTLED:
            return record
        with self._lock:
            left_out = self._pass(_kind(record), outage=_is_about_outage(record))
        if left_out:
            record["repeated"] = left_out
        return record

    def _pass(self, key: tuple[object, ...], *, outage: bool) -> int:
        """Return how many of the kind were left out before this one. Raises: DropEvent if this one is left out too."""
        now = self._clock()
        kind = self._kinds.get(key)
        if kind is None or now - kind.last_at >= MAX_PAUSE_SECONDS:
            self._forget(now)
            kind = self._kinds[key] = _Kind(0.0, float("-inf"), now)
        kind.last_at = now
        if now - kind.written_at < kind.pause or (outage and now - self._outage_written_at < _FIRST_PAUSE_SECONDS):
            kind.left_out += 1
            raise DropEvent
        if outage:
            self._outage_written_at = now
        kind.pause = min(MAX_PAUSE_SECONDS, max(_FIRST_PAUSE_SECONDS, 2 * kind.pause))
        kind.written_at = now
        left_out, kind.left_out = kind.left_out, 0
        return left_out

    def _forget(self, now: float) -> None:
        if len(self._kinds) >= _MAX_KINDS:
            recent = {key: kind for key, kind in self._kinds.items() if now - kind.last_at < _FIRST_PAUSE_SECONDS}
            self._kinds = recent if len(recent) < _MAX_KINDS else {}


def _kind(record: EventDict) -> tuple[object, ...]:
    """Return a key that is equal for two records that say the same.

    It has the reason without its numbers if the record gives one, else every text of the record.
    """
    head = (record.get("logger"), _NUMBER.sub("0", str(record.get("event"))))
    if (reason := _reason(record)) is not None:
        return (*head, reason)
    return (*head, *(value for key, value in record.items() if isinstance(value, str) and key not in _NOT_FACTS))


def _reason(record: EventDict) -> str | None:
    for name in _REASON_FIELDS:
        if isinstance(reason := record.get(name), str):
            return _NUMBER.sub("0", reason)
    error = exception_of(record)
    return None if error is None else _NUMBER.sub("0", repr(error))


def exception_of(record: EventDict) -> BaseException | None:
    """Return the exception that a record carries."""
    given = record.get("exc_info")
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    return error if isinstance(error, BaseException) else None


def _is_about_outage(record: EventDict) -> bool:
    if str(record.get("logger", "")).startswith(_LIBRARIES):
        return True
    return any(
        isinstance(reason := record.get(name), str) and outages.is_repr_of_outage(reason) for name in _REASON_FIELDS
    )
