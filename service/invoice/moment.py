"""What a decision may know of the world: the time, the calendar, one fresh id, and the policy."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from events.values import Route
from service.invoice.calendar import BusinessCalendar


@dataclass(frozen=True, slots=True)
class Policy:
    """Switches of the rules.

    general_recorded_route: the route of a recorded general invoice. repeat, repeat_max: when a failed attempt is
    tried again, first and at the latest.
    """

    general_recorded_route: Route
    repeat: timedelta
    repeat_max: timedelta


@dataclass(frozen=True, slots=True)
class Moment:
    """time is aware, in UTC. id becomes the id of the return or the reissue that the command opens, if it opens one."""

    time: datetime
    calendar: BusinessCalendar
    id: str
    policy: Policy
