"""What readiness, metrics and the board show of the system, whatever is down."""

from datetime import UTC, date, datetime, timedelta

import pytest

from events.names import WORKER_GROUP
from redletter.checkup import FINDING_KINDS
from rules.calendar import MAINLAND_CHINA
from transport.groups import Group
from web.operations.condition import GROUPS_OF_ROLES, Condition, LogCondition, missing, reasons

FAR = Condition(LogCondition(), (), (), ())
KNOWN = datetime(2026, 3, 1, tzinfo=UTC)


def test_the_end_of_the_calendar_is_reported_60_days_before() -> None:
    assert [one.code for one in reasons(FAR, KNOWN, MAINLAND_CHINA)] == []
    end = datetime.combine(MAINLAND_CHINA.known_until, datetime.min.time(), UTC)
    assert [one.code for one in reasons(FAR, end - timedelta(days=61), MAINLAND_CHINA)] == []
    (reason,) = reasons(FAR, end - timedelta(days=59), MAINLAND_CHINA)
    assert reason.code == "CALENDAR_ENDS"
    assert date.isoformat(MAINLAND_CHINA.known_until) in reason.detail
    assert "REDLETTER_CALENDAR_FILE" in reason.detail  # what to do about it


@pytest.mark.parametrize(("seconds", "codes"), [(30.0, []), (30.5, ["LOG_UNPUBLISHED"])])
def test_entries_that_stay_unpublished_for_long_are_reported(seconds: float, codes: list[str]) -> None:
    known = FAR._replace(log=LogCondition(7, seconds))
    assert [one.code for one in reasons(known, KNOWN, MAINLAND_CHINA)] == codes


def test_a_log_that_is_away_is_a_reason() -> None:
    (reason,) = reasons(FAR._replace(log=None), KNOWN, MAINLAND_CHINA)
    assert reason.code == "LOG_AWAY"
    assert reason.code in FINDING_KINDS


def test_a_role_is_missing_when_one_of_its_groups_has_no_member() -> None:
    present = {name: Group("Stable", frozenset({"m"})) for names in GROUPS_OF_ROLES.values() for name in names}
    assert list(missing(present)) == []
    assert list(missing({})) == []  # what could not be asked is not known
    (reason,) = missing(present | {WORKER_GROUP: Group("Empty", frozenset())})
    assert (reason.code, "worker" in reason.detail) == ("ROLE_MISSING", True)
