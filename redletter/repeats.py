"""What is told again and again during an outage, told now and then, with how often it was meant to be told."""

import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from structlog import DropEvent
from structlog.typing import EventDict

from redletter import surroundings

AT_FIRST = 1.0
AT_MOST = 60.0
"""Seconds between two records of a kind: each time twice as many, and as at first after a minute without one."""
_MOST_KINDS = 1000
_HARMLESS = frozenset({"debug", "info"})
_REASONS = ("error", "caused_by")
_NOT_FACTS = frozenset({"timestamp", "event"})
_LIBRARIES = ("aiokafka", "psycopg")
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
"""What differs between two texts that say the same, such as an object's address."""


@dataclass(slots=True)
class _Kind:
    """Records that say the same. pause: seconds until the next is written. kept_back: since the last that was."""

    pause: float
    written_at: float
    last_at: float
    kept_back: int = 0


class Repeats:
    """A processor that drops warnings and errors of a kind that was written a moment ago.

    Of those that speak of servers that are away, one a second is written, whatever their kinds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds, never going back."""
        self._clock = clock
        self._kinds: dict[tuple[object, ...], _Kind] = {}
        self._outage_told_at = float("-inf")
        self._lock = threading.Lock()

    def __call__(self, _: object, __: str, record: EventDict) -> EventDict:
        """Let a record pass, with ``repeated`` if others of its kind were kept back. Raises: DropEvent."""
        if record.get("level") in _HARMLESS:
            return record
        with self._lock:
            kept_back = self._pass(_kind(record), outage=_tells_of_an_outage(record))
        if kept_back:
            record["repeated"] = kept_back
        return record

    def _pass(self, key: tuple[object, ...], *, outage: bool) -> int:
        """Return how many of the kind were kept back before this one. Raises: DropEvent when this one is, too."""
        now = self._clock()
        kind = self._kinds.get(key)
        if kind is None or now - kind.last_at >= AT_MOST:
            self._forget(now)
            kind = self._kinds[key] = _Kind(0.0, float("-inf"), now)
        kind.last_at = now
        if now - kind.written_at < kind.pause or (outage and now - self._outage_told_at < AT_FIRST):
            kind.kept_back += 1
            raise DropEvent
        if outage:
            self._outage_told_at = now
        kind.pause = min(AT_MOST, max(AT_FIRST, 2 * kind.pause))
        kind.written_at = now
        kept_back, kind.kept_back = kind.kept_back, 0
        return kept_back

    def _forget(self, now: float) -> None:
        if len(self._kinds) >= _MOST_KINDS:
            recent = {key: kind for key, kind in self._kinds.items() if now - kind.last_at < AT_FIRST}
            self._kinds = recent if len(recent) < _MOST_KINDS else {}


def _kind(record: EventDict) -> tuple[object, ...]:
    """Return what two records that say the same have in common.

    With a reason, it is that, whatever the numbers in it; without one, every text of the record counts.
    """
    head = (record.get("logger"), _NUMBER.sub("0", str(record.get("event"))))
    if (reason := _reason(record)) is not None:
        return (*head, reason)
    return (*head, *(value for key, value in record.items() if isinstance(value, str) and key not in _NOT_FACTS))


def _reason(record: EventDict) -> str | None:
    for name in _REASONS:
        if isinstance(told := record.get(name), str):
            return _NUMBER.sub("0", told)
    error = exception_of(record)
    return None if error is None else _NUMBER.sub("0", repr(error))


def exception_of(record: EventDict) -> BaseException | None:
    """Return the exception that a record is to tell of."""
    told = record.get("exc_info")
    error = sys.exc_info()[1] if told is True else told[1] if isinstance(told, tuple) else told
    return error if isinstance(error, BaseException) else None


def _tells_of_an_outage(record: EventDict) -> bool:
    if str(record.get("logger", "")).startswith(_LIBRARIES):
        return True
    return any(isinstance(told := record.get(name), str) and surroundings.is_told(told) for name in _REASONS)
