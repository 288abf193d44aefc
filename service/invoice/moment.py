"""What a decision is given from outside: the time, an id, the calendar, and the rules that are settings."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from events.values import Route
from rules.calendar import MainlandChina, day_of


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules that are settings.

    general_recorded_route: the route of a recorded general invoice: the seed's (simple) or the law's (form).
    repeat, repeat_max: until an unanswered tax request is first repeated, and at most. retention_years: how long the
    texts of an invoice are kept after the last that happened to it.
    """

    general_recorded_route: Route
    repeat: timedelta
    repeat_max: timedelta
    retention_years: int = 10

    def wait(self, attempt: int) -> timedelta:
        """Return how long to wait after a failed attempt (counted from 1): it doubles each time, up to repeat_max."""
        doubled: int = 2 ** (attempt - 1)
        # Compared as a ratio, since enough doublings overflow a timedelta.
        return self.repeat_max if doubled >= self.repeat_max / self.repeat else self.repeat * doubled

    def kept_until(self, last: datetime) -> datetime:
        """Return until when the texts of an invoice are kept. last: when anything happened to it."""
        year = last.year + self.retention_years
        try:
            return last.replace(year=year)
        except ValueError:  # the 29th of February of a year that is no leap year
            return last.replace(year=year, month=3, day=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """The moment of one decision.

    time: when the broker took the command; aware, UTC.
    id: the command's alone, the same whenever it is decided; becomes the return_id or reissue_id, should the command
        lead to one.
    """

    time: datetime
    calendar: MainlandChina
    id: str
    policy: Policy

    @property
    def tomorrow(self) -> date:
        """The day after the one that it is in Shanghai: the last that a document may plausibly be dated."""
        return day_of(self.time) + timedelta(days=1)

    def not_before(self, time: datetime) -> "Moment":
        """Return the same moment, but not before a time: within an invoice time never goes back."""
        return self if time <= self.time else replace(self, time=time)
