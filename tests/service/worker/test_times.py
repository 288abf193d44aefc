"""The time of a decision is the broker's."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from service.log.entries import ReplyEntry
from service.store.event_store import read_stream
from service.worker.loading import fold
from tests.service.support.answered import RETURN, Answered, command, decided, facts, replies
from tests.service.support.records import MOMENTS, NUMBER, REGISTER, TAKEN


def test_the_moment_of_a_command_is_when_the_broker_took_it() -> None:
    """Not when a worker got round to it: a worker that was down over night changes nothing."""
    friday, night = TAKEN, timedelta(hours=12)
    on = decided(
        command("RegisterInvoice", REGISTER, "1", at=friday),
        command("RequestReturn", RETURN, "2", at=friday + night),
    )
    issued, requested = (json.loads(state) for *_, state in facts(on))
    assert issued["occurred_at"] == "2026-02-13T01:30:00Z"
    assert requested["occurred_at"] == "2026-02-13T13:30:00Z"
    assert requested["due_earliest"] == "2026-02-14T00:00:00+08:00"
    assert [entry.sent_at for entry in on.entries if isinstance(entry, ReplyEntry)] == [friday, friday + night]


def test_within_an_invoice_time_never_goes_back() -> None:
    """Partitions have leaders with clocks of their own."""
    before = TAKEN - timedelta(seconds=3)
    observed = {"invoice_number": NUMBER, "posting_status": "recorded", "observed_at": "2026-02-13T01:00:00Z"}
    on = decided(
        command("RegisterInvoice", REGISTER, "1", at=TAKEN),
        command("RecordPostingStatus", observed, "2", at=before),
        command("RequestReturn", RETURN, "3", at=before + timedelta(seconds=1)),
    )
    assert [json.loads(state)["occurred_at"] for *_, state in facts(on)] == ["2026-02-13T01:30:00Z"] * 3
    assert fold(read_stream((name, state) for _, _, name, state in facts(on))) == on.memory.streams[NUMBER]


def test_the_shift_moves_the_clock_of_every_decision() -> None:
    on = Answered(replace(MOMENTS, shift=timedelta(days=-1)))
    on = decided(command("RegisterInvoice", REGISTER, "1"), on=on)
    assert json.loads(facts(on)[0][-1])["occurred_at"] == "2026-02-12T01:30:00Z"


@pytest.mark.parametrize("milliseconds", [-1, 1 << 62])
def test_a_time_that_no_broker_gives_stops_nothing(milliseconds: int) -> None:
    record = replace(command("RegisterInvoice", REGISTER, "1"), timestamp=milliseconds)
    assert len(replies(decided(record))) == 1
