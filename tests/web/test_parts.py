"""How each part of the system is, from what the servers say."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from events.names import CLOCK_GROUP, RELAY_GROUP, WORKER_GROUP, projector_group
from projections.catalogue import MODELS
from projections.engine.health import Stopped
from projections.engine.parking import OutOfDateModel
from transport.groups import Group
from web.console.labels import NEXT_STEP
from web.console.sampling import Sample, Sampler
from web.operations.condition import GROUPS_OF_ROLES, Condition, LogCondition, Partition
from web.operations.lag import Lag
from web.operations.parts import Part, ServerLook, parts

NOON = datetime(2026, 2, 13, 12, tzinfo=UTC)
FINE = Condition(LogCondition(), (), (), ())
CONSUMERS = [name for names in GROUPS_OF_ROLES.values() for name in names]
LAGS = [Lag(name, 0, 0.0) for name in CONSUMERS]
GROUPS = {name: Group("Stable", frozenset({"m"})) for name in CONSUMERS}
STATUS = projector_group("status")
UNREAD = Partition(CLOCK_GROUP, "invoice.events", 3, 17, "it is another log", NOON, 0)
GONE = UNREAD._replace(unread=None, gone=5)
STOPPED = Stopped(model="status", partitions=[1], why="it cannot", since=NOON)
OUT_OF_DATE = OutOfDateModel(model="status", invoices=2, first="26312000000000000001", why="it cannot", since=NOON)


def states(look: ServerLook, *, hears: bool = True) -> Mapping[str, tuple[str, str]]:
    """Return the state of each part that is not running, and what to do."""
    found = parts(look, {"replies": lambda: hears})
    return {part.name: (part.state, part.step) for part in found if part.state != "running"}


def behind(consumer: str, seconds: float) -> list[Lag]:
    return [Lag(one.consumer, 7, seconds) if one.consumer == consumer else one for one in LAGS]


def without_members(name: str) -> Mapping[str, Group]:
    return GROUPS | {name: Group("Empty", frozenset())}


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (ServerLook(FINE, LAGS, GROUPS), {}),
        (ServerLook(FINE._replace(partitions=[GONE]), LAGS, GROUPS), {}),
        (ServerLook(FINE, LAGS, without_members(WORKER_GROUP)), {"worker": ("missing", "ROLE_MISSING")}),
        (ServerLook(FINE, LAGS, without_members(RELAY_GROUP)), {"relay": ("missing", "ROLE_MISSING")}),
        (ServerLook(FINE, LAGS, {}), {}),
        (
            ServerLook(FINE._replace(log=LogCondition(3, 31.0)), LAGS, GROUPS),
            {"relay": ("behind", "LOG_UNPUBLISHED")},
        ),
        (ServerLook(FINE._replace(log=LogCondition(3, 30.0)), LAGS, GROUPS), {}),
        (
            ServerLook(FINE._replace(log=LogCondition(stopped=["it differs"])), LAGS, GROUPS),
            {"worker": ("stopped", "LOG_DIFFERS"), "relay": ("stopped", "LOG_DIFFERS")},
        ),
        (ServerLook(FINE._replace(partitions=[UNREAD]), LAGS, GROUPS), {"clock": ("stopped", "PARTITION_NOT_READ")}),
        (ServerLook(FINE, behind(WORKER_GROUP, 31.0), GROUPS), {"worker": ("behind", "BEHIND")}),
        (ServerLook(FINE, behind(WORKER_GROUP, 30.0), GROUPS), {}),
        (
            ServerLook(FINE, behind(STATUS, 31.0), GROUPS),
            {"projector": ("behind", "BEHIND"), "status": ("behind", "BEHIND")},
        ),
        (ServerLook(FINE._replace(stopped=[STOPPED]), LAGS, GROUPS), {"status": ("stopped", "READ_MODEL_STOPPED")}),
        (
            ServerLook(FINE._replace(out_of_date=[OUT_OF_DATE]), LAGS, GROUPS),
            {"status": ("out_of_date", "INVOICES_OUT_OF_DATE")},
        ),
    ],
)
def test_a_part_is_in_the_worst_state_that_the_servers_know_of(look: ServerLook, expected: object) -> None:
    assert states(look) == expected


def test_what_cannot_be_asked_is_not_known() -> None:
    away, unknown = ("away", "SERVER_AWAY"), ("unknown", "")
    readers = dict.fromkeys(("worker", "projector", "clock", *MODELS), unknown)
    assert states(ServerLook(None, None, None)) == {"PostgreSQL": away, "Kafka": away, "relay": unknown, **readers}
    no_log = ServerLook(FINE._replace(log=None), LAGS, GROUPS, apart=True)
    assert states(no_log) == {"log_database": away, "relay": unknown}
    neither = states(ServerLook(None, LAGS, GROUPS, apart=True))
    assert (neither["log_database"], neither["read_database"]) == (unknown, away)
    assert states(ServerLook(FINE, None, None)) == {"Kafka": away, **readers}


def test_an_api_that_does_not_receive_its_topics_says_so() -> None:
    assert states(ServerLook(FINE, LAGS, GROUPS), hears=False) == {"api": ("stopped", "NOT_LISTENING")}


def test_a_role_with_several_consumers_is_as_far_behind_as_the_last_of_them() -> None:
    projector = next(
        one for one in parts(ServerLook(FINE, behind(STATUS, 12.0), GROUPS), {}) if one.name == "projector"
    )
    assert (projector.messages, projector.seconds) == (7, 12.0)


def test_every_state_with_something_to_do_says_what() -> None:
    differs = FINE._replace(log=LogCondition(stopped=["it differs"]))
    looks = (ServerLook(None, None, None), ServerLook(differs, LAGS, without_members(CLOCK_GROUP)))
    steps = {part.step for look in looks for part in parts(look, {"replies": lambda: False})} - {""}
    assert len(steps) >= 3
    assert steps <= NEXT_STEP.keys()


def test_a_part_is_in_its_state_since_it_was_first_seen_in_it() -> None:
    sampler = Sampler(None, None)  # type: ignore[arg-type] - nothing is looked at
    for minute, state in enumerate(("running", "running", "behind", "behind", "running")):
        sampler.note(Sample(NOON + timedelta(minutes=minute), parts=[Part("worker", "role", state)]))
        since = sampler.since["worker"]
        assert since.minute == {0: 0, 1: 0, 2: 2, 3: 2, 4: 4}[minute]
