"""How much time a return has left, in business days of mainland China."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import chinese_calendar

SHANGHAI = ZoneInfo("Asia/Shanghai")
_SATURDAY = 5
_MOST = 60
"""Days looked at; a due date lies a few days ahead."""


def business_days_left(now: datetime, due_latest: datetime) -> int:
    """Count the business days after today until the day on which the return is due, inclusive, by Shanghai's days."""
    today, last = (moment.astimezone(SHANGHAI).date() for moment in (now, due_latest))
    return sum(_is_business_day(day) for day in _days(today, last))


def _days(after: date, until: date) -> Iterator[date]:
    for number in range(1, min(_MOST, (until - after).days) + 1):
        yield after + timedelta(days=number)


def _is_business_day(day: date) -> bool:
    try:
        return chinese_calendar.is_workday(day)
    except NotImplementedError:  # past the last year that the State Council has announced
        return day.weekday() < _SATURDAY
