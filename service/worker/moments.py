"""When a command was given: the broker says so, whatever the worker's clock shows and however late it gets round to it.

Everything that a decision may not find out for itself follows from the record, so that a record decided again, even by
a successor after a disaster, makes the same facts.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from rules.calendar import MainlandChina
from service.invoice.moment import Policy
from transport.records import KafkaRecord, Undecodable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MILLISECONDS = (datetime(9000, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
"""Brokers write no later time; should a topic let publishers write theirs, a wild one must not stop the worker."""


@dataclass(frozen=True, slots=True)
class Moments:
    """What the moments of decisions have in common. shift: what REDLETTER_CLOCK_SHIFT moves every clock by."""

    shift: timedelta
    calendar: MainlandChina
    policy: Policy

    def time(self, record: KafkaRecord) -> datetime:
        """Return when the broker took a record. Of one that the client cannot decode that is not known: it is now."""
        if isinstance(record, Undecodable):
            return datetime.now(UTC) + self.shift
        return _time(record.timestamp, self.shift)


@lru_cache(maxsize=1024)
def _time(milliseconds: int, shift: timedelta) -> datetime:
    """Return the time of a record. The records of one batch have few times between them."""
    return _EPOCH + timedelta(milliseconds=min(max(milliseconds, 0), _LATEST_MILLISECONDS)) + shift
