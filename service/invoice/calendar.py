"""Business days of mainland China: holidays, and the weekends that are worked to make up for them.

Days off are decreed each autumn for the year that follows and cannot be derived; past the last known year plain
weekdays stand in, and the answer is provisional. Source: State Council notices, through `chinesecalendar`.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import Protocol

import chinese_calendar

from events.values import Calendar

SHANGHAI = timezone(timedelta(hours=8))
"""Asia/Shanghai: no summer time since 1991, so a fixed offset will do."""
LAST_DUE = 3
"""Business days within which a return is to be complete."""

_VERSION = f"chinesecalendar {chinese_calendar.__version__}"
_KNOWN = range(
    min(day.year for day in chinese_calendar.holidays), max(day.year for day in chinese_calendar.holidays) + 1
)
_SATURDAY = 5
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Due:
    """When a return is due, both written with +08:00, and by which calendar."""

    earliest: datetime
    latest: datetime
    calendar: Calendar


class BusinessCalendar(Protocol):
    """Counts business days."""

    def due(self, requested_at: datetime) -> Due:
        """Return when a return requested at this time is due."""
        ...

    def business_days_used(self, requested_at: datetime, until: datetime) -> int:
        """Count the business days from the day after the request to the day of ``until``, inclusive."""
        ...


class MainlandChina:
    """The calendar of mainland China, by its own days (+08:00)."""

    def due(self, requested_at: datetime) -> Due:
        """Return start of the 1st and end of the 3rd business day after; the day of the request does not count."""
        return _due(_day(requested_at))

    def business_days_used(self, requested_at: datetime, until: datetime) -> int:
        """Count the business days from the day after the request to the day of ``until``, inclusive."""
        return _used(_day(requested_at), _day(until))


MAINLAND_CHINA: BusinessCalendar = MainlandChina()


def is_business_day(day: date) -> bool:
    """Tell whether business is done on a day; a plain weekday is, where the calendar knows no better."""
    if day.year in _KNOWN:
        return chinese_calendar.is_workday(day)
    return day.weekday() < _SATURDAY


def _day(moment: datetime) -> date:
    return moment.astimezone(SHANGHAI).date()


@lru_cache(maxsize=1024)
def _due(requested_on: date) -> Due:
    days: list[date] = []
    day = requested_on
    while len(days) < LAST_DUE:
        day += _DAY
        if is_business_day(day):
            days.append(day)
    return Due(
        earliest=datetime.combine(days[0], time(), SHANGHAI),
        latest=datetime.combine(days[-1], time(23, 59, 59), SHANGHAI),
        calendar=Calendar(version=_VERSION, provisional=day.year not in _KNOWN),
    )


@lru_cache(maxsize=4096)
def _used(requested_on: date, until: date) -> int:
    return sum(is_business_day(requested_on + _DAY * after) for after in range(1, (until - requested_on).days + 1))
