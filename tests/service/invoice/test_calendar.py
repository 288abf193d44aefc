"""Business days of mainland China."""

from datetime import UTC, date, datetime, timedelta

import holidays
import pytest

from service.invoice.calendar import MAINLAND_CHINA, is_business_day


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


def test_past_the_last_known_year_weekdays_stand_in_and_the_answer_is_provisional() -> None:
    due = MAINLAND_CHINA.due(at("2027-02-05T12:00:00+08:00"))
    assert (due.earliest.isoformat(), due.latest.date()) == ("2027-02-08T00:00:00+08:00", date(2027, 2, 10))
    assert due.calendar.provisional


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
        if is_business_day(day) != other.is_working_day(day):
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
