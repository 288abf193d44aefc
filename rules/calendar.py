"""Business days of mainland China: holidays, and the weekends that are worked to make up for them.

Days off are decreed each autumn for the year that follows and cannot be derived. Past the last decreed year the days
off that the law itself names stand in, without the bridges and make-up days around them, and the answer is provisional.
Sources: State Council notices, through `chinesecalendar`; the rules on public holidays as revised in November 2024,
through `holidays`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import Annotated

import chinese_calendar
import holidays
from pydantic import Field, ValidationError

from events.values import Calendar, Day, Message

SHANGHAI = timezone(timedelta(hours=8))
"""Asia/Shanghai: no summer time since 1991, so a fixed offset will do."""
LAST_DUE = 3
"""Business days within which a return is to be complete."""

_LIBRARY_VERSION = f"chinesecalendar {chinese_calendar.__version__}"
_LIBRARY_YEARS = frozenset(day.year for day in chinese_calendar.holidays)
_SATURDAY = 5
_DECEMBER = 12
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Due:
    """When a return is due, both written with +08:00, and by which calendar."""

    earliest: datetime
    latest: datetime
    calendar: Calendar


class BadDecree(Exception):
    """The input is not a valid decree; the message says what is wrong with it."""


class Decree(Message):
    """A year's days as decreed, handed in by the operator: days off, and weekends that are worked."""

    version: Annotated[str, Field(min_length=1, max_length=64)]
    off: Annotated[frozenset[Day], Field(strict=False)]
    working: Annotated[frozenset[Day], Field(strict=False)]

    def years(self) -> frozenset[int]:
        """Return the years that it decrees. The decree of a year may name days at the end of the year before too."""
        return frozenset(day.year for day in self.off | self.working if day.month != _DECEMBER)


NO_DECREE = Decree(version="none", off=frozenset(), working=frozenset())


def read_decree(text: bytes) -> Decree:
    """Read a decree from JSON: ``{"version", "off": [dates], "working": [dates]}``.

    Raises: BadDecree.
    """
    try:
        decree = Decree.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        msg = f"{where}: {first['msg'][0].lower()}{first['msg'][1:]}"
        raise BadDecree(msg) from None
    if both := decree.off & decree.working:
        msg = f"{min(both)} is both off and working"
        raise BadDecree(msg)
    if not decree.years():
        msg = "it names no day of a year"
        raise BadDecree(msg)
    return decree


class MainlandChina:
    """The calendar of mainland China, by its own days (+08:00); ``decree`` adds to what the library knows."""

    def __init__(self, decree: Decree = NO_DECREE) -> None:
        self._decree = decree
        self._known = _LIBRARY_YEARS | decree.years()
        self._due = lru_cache(maxsize=1024)(self._work_out_due)
        self._used = lru_cache(maxsize=4096)(self._count_used)

    @property
    def known_until(self) -> date:
        """The last day up to which every day is decreed."""
        return date(max(self._known), 12, 31)

    def due(self, requested_at: datetime) -> Due:
        """Return start of the 1st and end of the 3rd business day after; the day of the request does not count."""
        return self._due(day_of(requested_at))

    def business_days_used(self, requested_at: datetime, until: datetime) -> int:
        """Count the business days from the day after the request to the day of ``until``, inclusive."""
        return self._used(day_of(requested_at), day_of(until))

    def is_business_day(self, day: date) -> bool:
        """Return whether business is done on a day."""
        if day in self._decree.off:
            return False
        if day in self._decree.working:
            return True
        if day.year in _LIBRARY_YEARS and day.year not in self._decree.years():
            return chinese_calendar.is_workday(day)
        off = day.year not in self._known and day in _named_by_law(day.year)
        return day.weekday() < _SATURDAY and not off

    def _work_out_due(self, requested_on: date) -> Due:
        days: list[date] = []
        day = requested_on
        while len(days) < LAST_DUE:
            day += _DAY
            if self.is_business_day(day):
                days.append(day)
        return Due(
            earliest=datetime.combine(days[0], time(), SHANGHAI),
            latest=datetime.combine(days[-1], time(23, 59, 59), SHANGHAI),
            calendar=Calendar(version=self._version(day.year), provisional=day.year not in self._known),
        )

    def _version(self, year: int) -> str:
        return self._decree.version if year in self._decree.years() else _LIBRARY_VERSION

    def _count_used(self, requested_on: date, until: date) -> int:
        after = range(1, (until - requested_on).days + 1)
        return sum(self.is_business_day(requested_on + _DAY * days) for days in after)


MAINLAND_CHINA = MainlandChina()
"""The calendar as the library knows it."""


@lru_cache(maxsize=1024)
def day_of(moment: datetime) -> date:
    """Return the day that it is in Shanghai. The moments of one batch have few times between them."""
    return moment.astimezone(SHANGHAI).date()


@lru_cache(maxsize=64)
def _named_by_law(year: int) -> Collection[date]:
    """Return the days off that need no decree: fixed by date or by the lunar calendar."""
    return frozenset(holidays.China(years=year, observed=False))
