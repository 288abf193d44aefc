"""A caller may make so many requests in a minute, and is told when there is room for one more."""

from types import SimpleNamespace

import pytest

from web.http import rate_limit
from web.http.rate_limit import RateLimit


class Clock:
    """Seconds since a minute began."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        patch.setattr(rate_limit, "time", SimpleNamespace(monotonic=lambda: 600 + self.seconds))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def waits(limit: RateLimit, requests: int, subject: str = "ann") -> list[int]:
    return [limit.seconds_to_wait(subject) for _ in range(requests)]


def test_one_more_request_than_a_minute_takes_has_to_wait_and_harms_no_other(clock: Clock) -> None:
    limit = RateLimit(3)
    clock.seconds = 15
    assert waits(limit, 4) == [0, 0, 0, 46]
    assert waits(limit, 1, "bo") == [0]


@pytest.mark.parametrize("per_minute", [1, 2, 3, 7, 60])
@pytest.mark.parametrize("at", [0.0, 15.0, 59.5])
def test_who_waits_as_long_as_they_are_told_is_let_in_then_and_not_sooner(
    clock: Clock, per_minute: int, at: float
) -> None:
    limit = RateLimit(per_minute)
    clock.seconds = at
    assert waits(limit, per_minute) == [0] * per_minute
    for _ in range(5):
        (wait,) = waits(limit, 1)
        clock.seconds += wait - 1
        assert waits(limit, 1) != [0]
        clock.seconds += 1
        assert waits(limit, 1) == [0]


def test_what_was_asked_in_the_minute_before_counts_as_far_as_it_is_in_the_last_one(clock: Clock) -> None:
    limit = RateLimit(4)
    assert waits(limit, 4) == [0] * 4
    clock.seconds = 60 + 30
    assert waits(limit, 3) == [0, 0, 1]
    clock.seconds += 1
    assert waits(limit, 2) == [0, 15]


def test_who_has_been_away_for_two_minutes_has_the_whole_minute(clock: Clock) -> None:
    limit = RateLimit(2)
    assert waits(limit, 3) == [0, 0, 60 + 1]
    clock.seconds = 120
    assert waits(limit, 2) == [0, 0]
