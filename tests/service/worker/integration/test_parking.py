"""Commands that wait are answered in order after a fix, or discarded, with all that their records held."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from service.store.write import Write
from service.worker import deciding
from service.worker.reading import Received, read
from service.worker.releasing import MAX_PORTION, Emptied, Releasing
from tests.service.support import parking
from tests.service.support.records import MOMENTS, NUMBER, REGISTER


def test_after_a_fix_the_waiting_commands_are_answered_in_order(
    writing: parking.Writing, bugs: set[str], database: str
) -> None:
    bugs.add(NUMBER)
    writing.take(parking.register(), parking.ask_return(), parking.register(parking.OTHER, "4"))
    writing.take(parking.cancel(), parking.cancel(parking.OTHER, "5"))
    assert parking.waiting(writing.store) == {NUMBER: 3}
    assert (parking.replies(database), len(parking.replies(database, parking.OTHER))) == ([], 2)
    bugs.clear()
    assert Releasing(writing.store, MOMENTS).release(NUMBER) == Emptied(3)
    assert parking.waiting(writing.store) == {}
    assert parking.replies(database) == [
        ("1", "accepted"),
        ("2", "accepted"),
        ("3", "RETURN_CANNOT_BE_CANCELLED"),
    ]
    assert parking.notices(database) == [
        (name, id_, place) for name in parking.NOTICES for place, id_ in enumerate("123", 1)
    ]
    writing.take(parking.cancel(id_="6"))
    assert parking.replies(database)[-1] == ("6", "RETURN_CANNOT_BE_CANCELLED")


def test_a_command_is_released_with_everything_that_its_record_held(
    writing: parking.Writing, bugs: set[str], database: str
) -> None:
    odd = (
        ("\0name", None),
        ("名", b"\xff\x00"),
        ("ce_correlationid", b"journey"),
        ("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),
    )
    record = parking.register()
    record = replace(record, headers=(*record.headers, *odd))
    bugs.add(NUMBER)
    writing.take(record)
    _, (kept,) = writing.store.first_waiting(NUMBER, 9)
    same = ("topic", "partition", "offset", "timestamp", "key", "value", "headers")
    assert [getattr(kept.record, name) for name in same] == [getattr(record, name) for name in same]
    bugs.clear()
    Releasing(writing.store, MOMENTS).release(NUMBER)
    ((*_, occurred_at, causation, correlation),) = parking.facts(database)
    assert (occurred_at, causation, correlation) == (MOMENTS.time(record), "1", "journey")


def test_a_repeat_that_waits_is_answered_as_one_and_another_body_under_its_id_is_refused(
    writing: parking.Writing, bugs: set[str], database: str
) -> None:
    bugs.add(NUMBER)
    writing.take(parking.register(), parking.register())
    writing.take(
        parking.register(),
        parking.of(NUMBER, "RegisterInvoice", REGISTER | {"remarks": "x"}, "1"),
        parking.ask_return(),
    )
    assert parking.waiting(writing.store) == {NUMBER: 5}
    assert parking.notices(database) == [("CommandParked", "1", 1), ("CommandParked", "2", 2)]
    bugs.clear()
    Releasing(writing.store, MOMENTS).release(NUMBER)
    codes = ["accepted", "replayed", "replayed", "IDEMPOTENCY_KEY_REUSED"]
    assert parking.replies(database) == [*[("1", code) for code in codes], ("2", "accepted")]
    assert parking.notices(database)[2:] == [("CommandReleased", "1", 1), ("CommandReleased", "2", 2)]


def test_an_id_that_waits_is_kept_for_the_invoice_that_it_waits_for(
    writing: parking.Writing, bugs: set[str], database: str
) -> None:
    bugs.add(NUMBER)
    writing.take(parking.register(parking.OTHER, "4"), parking.register(), parking.cancel(id_="both"))
    writing.take(parking.cancel(parking.OTHER, "both"))
    assert parking.replies(database, parking.OTHER) == [
        ("4", "accepted"),
        ("both", "IDEMPOTENCY_KEY_REUSED"),
    ]
    bugs.clear()
    assert Releasing(writing.store, MOMENTS).release(NUMBER) == Emptied(2)
    assert parking.replies(database) == [("1", "accepted"), ("both", "NO_RETURN_IN_PROGRESS")]


def test_of_two_commands_that_wait_under_one_id_the_one_released_first_has_it(
    writing: parking.Writing, bugs: set[str], database: str
) -> None:
    bugs.update((NUMBER, parking.OTHER))
    writing.take(parking.register(), parking.register(parking.OTHER, "4"))
    received = read(parking.register(), MOMENTS)
    assert isinstance(received, Received)
    with psycopg.connect(database) as connection:  # as two workers do at the same time
        connection.execute("update redletter.parked_commands set command_key = %s", (received.key,))
    bugs.clear()
    assert Releasing(writing.store, MOMENTS).release(NUMBER) == Emptied(1)
    assert parking.replies(database) == [("1", "accepted")]


def test_a_release_stops_at_a_command_that_still_cannot_be_decided(
    writing: parking.Writing, bugs: set[str], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bugs.add(NUMBER)
    writing.take(parking.register(), parking.ask_return(remarks="boom"), parking.register(), parking.cancel())
    bugs.clear()

    def failing(state: Any, claims: Any, command: Any, moment: Any) -> Any:
        if getattr(command, "remarks", None) == "boom":
            raise ValueError("another bug")
        return parking.decide_rightly(state, claims, command, moment)

    monkeypatch.setattr(deciding, "decide", failing)
    releasing = Releasing(writing.store, MOMENTS)
    for answered in (1, 0):
        assert releasing.release(NUMBER) == Emptied(answered, "ValueError('another bug')")
        assert parking.replies(database) == [("1", "accepted")]
    (parked,) = writing.store.parked()
    assert (parked.commands, parked.error) == (3, "ValueError('another bug')")
    writing.take(parking.cancel(id_="4"))
    monkeypatch.setattr(deciding, "decide", parking.decide_rightly)
    assert releasing.release(NUMBER) == Emptied(4)
    assert [id_ for id_, _ in parking.replies(database)] == ["1", "2", "1", "3", "4"]


def test_discarded_commands_are_refused_and_use_no_id_up(
    writing: parking.Writing, bugs: set[str], database: str
) -> None:
    bugs.add(NUMBER)
    writing.take(parking.register(), parking.ask_return())
    bugs.clear()
    assert Releasing(writing.store, MOMENTS).discard(NUMBER, "sent by mistake") == Emptied(2)
    assert parking.replies(database) == [("1", "INTERNAL_FAULT"), ("2", "INTERNAL_FAULT")]
    assert parking.waiting(writing.store) == {}
    with psycopg.connect(database) as connection:
        values = connection.execute("select value from redletter.notices order by place desc limit 1").fetchall()
    assert json.loads(values[0][0])["discarded"] == "sent by mistake"
    writing.take(parking.register())
    assert parking.replies(database)[-1] == ("1", "accepted")


def test_a_queue_longer_than_a_portion_is_emptied_in_order(
    writing: parking.Writing, bugs: set[str], database: str
) -> None:
    bugs.add(NUMBER)
    ids = [str(number) for number in range(2 * MAX_PORTION + 7)]
    writing.take(*(parking.cancel(id_=id_) for id_ in ids))
    bugs.clear()
    assert Releasing(writing.store, MOMENTS).release(NUMBER) == Emptied(len(ids))
    assert [id_ for id_, _ in parking.replies(database)] == ids


def test_an_outcome_that_cannot_be_written_keeps_its_command_waiting_and_those_before_it_are_answered(
    writing: parking.Writing, bugs: set[str], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bugs.add(NUMBER)
    writing.take(*(parking.cancel(id_=str(number)) for number in range(10)))
    bugs.clear()
    save = writing.store.save

    def refuse_the_eighth(write: Write) -> Mapping[int, int]:
        if any(b'"command_id":"7"' in getattr(entry, "value", b"") for entry in write.entries):
            raise psycopg.DataError("what the store will never take")
        return save(write)

    with monkeypatch.context() as patched:
        patched.setattr(writing.store, "save", refuse_the_eighth)
        outcome = Releasing(writing.store, MOMENTS).release(NUMBER)
    assert (outcome.answered, "what the store will never take" in (outcome.error or "")) == (7, True)
    assert Releasing(writing.store, MOMENTS).release(NUMBER) == Emptied(3)
    assert [id_ for id_, _ in parking.replies(database)] == [str(number) for number in range(10)]
