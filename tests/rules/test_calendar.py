"""Business days of mainland China."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import holidays
import pytest

from rules.calendar import MAINLAND_CHINA, BadDecree, MainlandChina, read_decree

NEXT_YEAR = {
    "version": "State Council 2026-11",
    "off": ["2026-12-31", "2027-01-01", "2027-02-05", "2027-02-08", "2027-02-09"],
    "working": ["2027-01-10"],
}


def at(written: str) -> datetime:
    return datetime.fromisoformat(written)


@pytest.mark.parametrize(
    ("requested", "earliest", "latest"),
    [
        ("2026-02-13", "2026-02-14", "2026-02-25"),  # Friday; Saturday 14th is worked, then Spring Festival
        ("2026-09-30", "2026-10-08", "2026-10-10"),  # National Day; Saturday 10th is worked
        ("2026-09-18", "2026-09-20", "2026-09-22"),  # Friday; Sunday 20th is worked
        ("2026-07-06", "2026-07-07", "2026-07-09"),  # an ordinary Monday
    ],
)
def test_a_return_is_due_from_the_first_to_the_third_business_day_after(
    requested: str, earliest: str, latest: str
) -> None:
    due = MAINLAND_CHINA.due(at(f"{requested}T12:00:00+08:00"))
    assert due.earliest.isoformat() == f"{earliest}T00:00:00+08:00"
    assert due.latest.isoformat() == f"{latest}T23:59:59+08:00"
    assert not due.calendar.provisional


def test_days_begin_in_shanghai() -> None:
    midnight = at("2026-07-06T16:00:00+00:00")
    assert MAINLAND_CHINA.due(midnight).earliest.day == 8
    assert MAINLAND_CHINA.due(midnight - timedelta(microseconds=1)).earliest.day == 7


@pytest.mark.parametrize(
    ("year", "off"),
    [
        (2027, "01-01 02-05 02-06 02-07 02-08 04-05 05-01 05-02 06-09 09-15 10-01 10-02 10-03"),
        (2028, "01-01 01-25 01-26 01-27 01-28 04-04 05-01 05-02 05-28 10-01 10-02 10-03"),
        (2029, "01-01 02-12 02-13 02-14 02-15 04-04 05-01 05-02 06-16 09-22 10-01 10-02 10-03"),
        (2030, "01-01 02-02 02-03 02-04 02-05 04-05 05-01 05-02 06-05 09-12 10-01 10-02 10-03"),
    ],
)
def test_past_the_last_known_year_the_days_that_the_law_names_are_off_and_weekends_are_not_worked(
    year: int, off: str
) -> None:
    """New Year, Spring Festival's eve and three days, Qingming, 1 and 2 May, Dragon Boat, Mid-Autumn, 1-3 October."""
    days = [date(year, 1, 1) + timedelta(days=n) for n in range(365)]
    weekdays_off = {day for day in days if day.weekday() < 5 and not MAINLAND_CHINA.is_business_day(day)}
    named = {date.fromisoformat(f"{year}-{day}") for day in off.split()}
    assert weekdays_off == {day for day in named if day.weekday() < 5}
    assert [day for day in days if day.weekday() >= 5 and MAINLAND_CHINA.is_business_day(day)] == []


def test_past_the_last_known_year_the_answer_is_provisional() -> None:
    due = MAINLAND_CHINA.due(at("2026-12-30T12:00:00+08:00"))
    assert (due.earliest.isoformat(), due.latest.date()) == ("2026-12-31T00:00:00+08:00", date(2027, 1, 5))
    assert due.calendar.provisional
    assert MAINLAND_CHINA.known_until == date(2026, 12, 31)


def decreed(**but: Any) -> MainlandChina:
    return MainlandChina(read_decree(json.dumps(NEXT_YEAR | but).encode()))


def test_a_decree_adds_its_year_and_days_at_the_end_of_the_year_before() -> None:
    calendar = decreed()
    due = calendar.due(at("2026-12-30T12:00:00+08:00"))
    assert (due.earliest.date(), due.latest.date()) == (date(2027, 1, 4), date(2027, 1, 6))
    assert (due.calendar.version, due.calendar.provisional) == ("State Council 2026-11", False)
    assert calendar.known_until == date(2027, 12, 31)
    assert calendar.is_business_day(date(2027, 1, 10)), "a Sunday that is worked"
    assert not calendar.is_business_day(date(2027, 2, 9))
    assert calendar.is_business_day(date(2027, 4, 5)), "a decree says all of its year"
    assert not calendar.is_business_day(date(2026, 10, 1)), "other years are as they were"
    assert calendar.due(at("2026-02-13T12:00:00+08:00")) == MAINLAND_CHINA.due(at("2026-02-13T12:00:00+08:00"))


def test_a_decree_for_a_year_that_is_known_already_replaces_it() -> None:
    calendar = decreed(off=["2026-07-07"], working=["2026-07-11"])
    assert calendar.due(at("2026-07-06T12:00:00+08:00")).latest.date() == date(2026, 7, 10)
    assert calendar.is_business_day(date(2026, 7, 11))
    assert calendar.is_business_day(date(2026, 10, 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "the file: invalid JSON"),
        (b'{"version": "1", "off": []}', "working: field required"),
        (b'{"version": "1", "off": ["2027-13-01"], "working": []}', "off.0: must be a date written YYYY-MM-DD"),
        (b'{"version": "", "off": ["2027-01-01"], "working": []}', "version: string should have at least 1 character"),
        (b'{"version": "1", "off": ["2027-01-01"], "working": ["2027-01-01"]}', "2027-01-01 is both off and working"),
        (b'{"version": "1", "off": [], "working": []}', "it names no day of a year"),
    ],
)
def test_an_invalid_decree_is_refused_with_what_is_wrong(text: bytes, said: str) -> None:
    with pytest.raises(BadDecree, match=said):
        read_decree(text)


def test_a_due_date_is_provisional_as_soon_as_one_of_its_days_is() -> None:
    assert not MAINLAND_CHINA.due(at("2026-12-28T12:00:00+08:00")).calendar.provisional
    assert MAINLAND_CHINA.due(at("2026-12-29T12:00:00+08:00")).calendar.provisional


@pytest.mark.parametrize(
    ("until", "used"),
    [
        ("2026-02-13T23:59:59+08:00", 0),
        ("2026-02-14T00:00:00+08:00", 1),
        ("2026-02-23T12:00:00+08:00", 1),
        ("2026-02-25T23:59:59+08:00", 3),
        ("2026-02-12T12:00:00+08:00", 0),
    ],
)
def test_days_used_count_from_the_day_after_the_request_inclusive(until: str, used: int) -> None:
    assert MAINLAND_CHINA.business_days_used(at("2026-02-13T09:00:00+08:00"), at(until)) == used


def test_another_library_agrees_on_every_day_of_2010_to_2026() -> None:
    other = holidays.country_holidays("CN", years=range(2010, 2027))
    day = date(2010, 1, 1)
    differing: list[date] = []
    while day.year < 2027:
        if MAINLAND_CHINA.is_business_day(day) != other.is_working_day(day):
            differing.append(day)
        day += timedelta(days=1)
    assert differing == []


def test_three_business_days_are_used_when_a_return_ends_as_late_as_it_is_due() -> None:
    for year in range(2004, 2028):
        for month in range(1, 13):
            requested = datetime(year, month, 1, tzinfo=UTC)
            due = MAINLAND_CHINA.due(requested)
            assert requested < due.earliest < due.latest
            assert MAINLAND_CHINA.business_days_used(requested, due.latest) == 3
