"""Business days of mainland China, as the State Council decrees them year by year."""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from importlib.metadata import version
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

import chinese_calendar

from events.values import Calendar

SHANGHAI = ZoneInfo("Asia/Shanghai")
EARLIEST, LATEST = 1, 3
"""A return takes 1 to 3 business days. Source: seed, "Wait for the return to complete"."""


class Due(NamedTuple):
    """When a return is due, both in +08:00, and the calendar that says so."""

    earliest: datetime
    latest: datetime
    calendar: Calendar


class BusinessCalendar(Protocol):
    """Counts business days."""

    def due(self, requested: datetime) -> Due:
        """Return when a return requested at this time is due; the day of the request does not count."""
        ...

    def days_used(self, requested: datetime, ended: datetime) -> int:
        """Count the business days from the day after the request to the day of the end, inclusive."""
        ...


class MainlandChina:
    """The calendar of the library `chinesecalendar`; past its last known year plain weekdays, and provisional."""

    version = f"chinesecalendar {version('chinesecalendar')}"

    def due(self, requested: datetime) -> Due:
        """Return when a return requested at this time is due."""
        return _due(_day(requested), self.version)

    def days_used(self, requested: datetime, ended: datetime) -> int:
        """Count the business days used."""
        first, last = _day(requested), _day(ended)
        return sum(is_business_day(first + timedelta(days=n)) for n in range(1, (last - first).days + 1))


MAINLAND_CHINA = MainlandChina()


def _day(moment: datetime) -> date:
    return moment.astimezone(SHANGHAI).date()


@lru_cache(maxsize=4096)
def is_business_day(day: date) -> bool:
    """Tell whether people work on this day."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.isoweekday() <= 5  # noqa: PLR2004 - Friday


@lru_cache(maxsize=64)
def _due(day: date, name: str) -> Due:
    earliest, latest = _after(day, EARLIEST), _after(day, LATEST)
    return Due(
        datetime.combine(earliest, time(0, 0), _OFFSET),
        datetime.combine(latest, time(23, 59, 59), _OFFSET),
        Calendar(version=name, provisional=not _known(latest)),
    )


_OFFSET = ZoneInfo("Asia/Shanghai")


def _after(day: date, count: int) -> date:
    while count:
        day += timedelta(days=1)
        count -= is_business_day(day)
    return day


def _known(day: date) -> bool:
    try:
        chinese_calendar.is_workday(day)
    except NotImplementedError:
        return False
    return True
