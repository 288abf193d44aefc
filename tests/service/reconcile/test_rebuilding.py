"""Deciding lost commands again, and what is said where nothing can be rebuilt now."""

from collections.abc import Sequence
from typing import Any

import pytest
from psycopg import DataError

from events.upcasting import WrittenByNewerRelease
from service.reconcile import rebuilding
from service.reconcile.published import CannotRebuild
from service.reconcile.rebuilding import rebuild_log, whole_or_halves
from service.store.newer_releases import ProgramTooOld
from service.store.write import TooMuchToWrite
from tests.service.support.records import raw
from transport.positions import PositionLost
from transport.records import KafkaRecord

RECORDS = [raw(value=b"%d" % index) for index in range(5)]


def test_records_that_do_not_fit_together_are_decided_in_smaller_parts_in_their_order() -> None:
    done: list[KafkaRecord] = []

    def decide(records: Sequence[KafkaRecord], _: Exception | None) -> None:
        if len(records) > 2:
            raise TooMuchToWrite
        done.extend(records)

    whole_or_halves(RECORDS, decide)
    assert done == RECORDS


def test_a_lost_command_whose_outcome_the_database_refuses_waits_and_the_others_are_decided() -> None:
    decided: list[KafkaRecord] = []
    waiting: list[KafkaRecord] = []

    def decide(records: Sequence[KafkaRecord], unwritable: Exception | None) -> None:
        if unwritable:
            waiting.extend(records)
        elif RECORDS[3] in records:
            raise DataError
        else:
            decided.extend(records)

    whole_or_halves(RECORDS, decide)
    assert (decided, waiting) == ([*RECORDS[:3], RECORDS[4]], [RECORDS[3]])


@pytest.mark.parametrize("records", [RECORDS[:1], RECORDS])
def test_what_fails_alone_or_for_another_reason_fails_for_good(records: Sequence[KafkaRecord]) -> None:
    fault = TooMuchToWrite() if len(records) == 1 else RuntimeError()

    def decide(*_: object) -> None:
        raise fault

    with pytest.raises(type(fault)):
        whole_or_halves(records, decide)


@pytest.mark.parametrize(
    ("fault", "raised", "says"),
    [
        (PositionLost("redletter.worker"), CannotRebuild, "run this again"),
        (WrittenByNewerRelease("ReturnAsked.v9"), ProgramTooOld, "run the newer release"),
    ],
)
def test_a_fault_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, fault: Exception, raised: type[Exception], says: str
) -> None:
    def rebuild(*_: object) -> None:
        raise fault

    monkeypatch.setattr(rebuilding, "_rebuild", rebuild)
    nothing: Any = None
    with pytest.raises(raised, match=says):
        rebuild_log(nothing, nothing, nothing, nothing)
