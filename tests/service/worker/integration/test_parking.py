"""Parked invoices on real servers: nothing that waits is lost, repeated or overtaken, whoever works beside it."""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import psycopg
import pytest
import stamina
from aiokafka import TopicPartition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.store.event_store import Store
from service.store.write import Conflict, Write
from service.worker import deciding
from service.worker.releasing import MAX_PORTION, Emptied, Releasing
from service.worker.work import CommandWork
from tests.service.support.records import CANCEL, MOMENTS, NUMBER, REGISTER, binary
from tests.support.fresh_system import database
from transport.addresses import Addresses
from transport.batch import Batch
from transport.records import ConsumerRecord

OTHER = "26000000000000000002"
NOTICES = ("CommandParked", "CommandReleased")
BUG = "decisions about {} raise"
decide_rightly = deciding.decide


@dataclass
class Writing:
    """A worker, of which a test is the consumer: it handles records, each topic's at the offsets that follow."""

    store: Store
    next: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def take(self, *records: ConsumerRecord) -> None:
        """Handle records in one batch."""
        starts = {TopicPartition(record.topic, 0): self.next[record.topic] for record in records}
        self.store.positions(list(starts))
        numbered: list[ConsumerRecord] = []
        ends = dict(self.next)
        for record in records:
            offset = ends.get(record.topic, 0)
            numbered.append(replace(record, offset=offset))
            ends[record.topic] = offset + 1
        CommandWork(self.store, MOMENTS).handle(Batch(numbered, starts))
        self.next.update(ends)


@pytest.fixture
def store(addresses: Addresses) -> Iterator[Store]:
    store = Store(addresses.database)
    yield store
    store.close()


@pytest.fixture
def writing(store: Store) -> Writing:
    return Writing(store)


@pytest.fixture
def bugs(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Give the numbers of invoices whose decisions raise."""
    numbers: set[str] = set()

    def failing(state: Any, claims: Any, command: Any, moment: Any) -> Any:
        if command.invoice_number in numbers:
            raise RuntimeError(BUG.format(command.invoice_number))
        return decide_rightly(state, claims, command, moment)

    monkeypatch.setattr(deciding, "decide", failing)
    return numbers


def of(number: str, name: str, body: dict[str, Any], id_: str) -> ConsumerRecord:
    record = binary(name, body | {"invoice_number": number}, ce_id=id_.encode())
    return replace(record, key=number.encode())


def register(number: str = NUMBER, id_: str = "1") -> ConsumerRecord:
    return of(number, "RegisterInvoice", REGISTER | {"charges": [{"charge_id": number, "amount": "106.00"}]}, id_)


def ask_return(number: str = NUMBER, id_: str = "2", **more: Any) -> ConsumerRecord:
    return of(number, "RequestReturn", {"account_id": "account"} | more, id_)


def cancel(number: str = NUMBER, id_: str = "3") -> ConsumerRecord:
    return of(number, "CancelReturn", CANCEL, id_)


def replies(database: str, number: str = NUMBER) -> list[tuple[str, str]]:
    """Return the command id and the code of each reply, in the order of the log."""
    query = "select value from redletter.replies where subject = %s order by partition, place"
    with psycopg.connect(database) as connection:
        bodies = [json.loads(value) for (value,) in connection.execute(query, (number,))]
    return [(body["command_id"], "replayed" if body["replayed"] else body.get("code", "accepted")) for body in bodies]


def notices(database: str, number: str = NUMBER) -> list[tuple[str, str, int]]:
    query = "select name, value from redletter.notices where invoice_number = %s order by partition, place"
    with psycopg.connect(database) as connection:
        found = [(name, json.loads(value)) for name, value in connection.execute(query, (number,))]
    return [(name.removesuffix(".v1"), body["command_id"], body["place"]) for name, body in found]


def facts(database: str) -> list[tuple[Any, ...]]:
    """Return all events, invoice by invoice."""
    query = """
        select originator_id, originator_version, topic, state, occurred_at, causation_id, correlation_id
        from redletter.invoice_events order by originator_id, originator_version
    """
    with psycopg.connect(database) as connection:
        return connection.execute(query).fetchall()


def waiting(store: Store) -> dict[str, int]:
    return {parked.invoice_number: parked.commands for parked in store.parked()}


def test_after_a_fix_the_waiting_commands_are_answered_in_order(
    writing: Writing, bugs: set[str], addresses: Addresses
) -> None:
    bugs.add(NUMBER)
    writing.take(register(), ask_return(), register(OTHER, "4"))
    writing.take(cancel(), cancel(OTHER, "5"))
    assert waiting(writing.store) == {NUMBER: 3}
    assert (replies(addresses.database), len(replies(addresses.database, OTHER))) == ([], 2)
    bugs.clear()
    assert Releasing(writing.store, MOMENTS).release(NUMBER) == Emptied(3)
    assert waiting(writing.store) == {}
    assert replies(addresses.database) == [("1", "accepted"), ("2", "accepted"), ("3", "RETURN_CANNOT_BE_CANCELLED")]
    assert notices(addresses.database) == [(name, id_, place) for name in NOTICES for place, id_ in enumerate("123", 1)]
    writing.take(cancel(id_="6"))
    assert replies(addresses.database)[-1] == ("6", "RETURN_CANNOT_BE_CANCELLED")


def test_a_command_is_released_with_everything_that_its_record_held(
    writing: Writing, bugs: set[str], addresses: Addresses
) -> None:
    odd = (
        ("\0name", None),
        ("名", b"\xff\x00"),
        ("ce_correlationid", b"journey"),
        ("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),
    )
    record = register()
    record = replace(record, headers=(*record.headers, *odd))
    bugs.add(NUMBER)
    writing.take(record)
    _, (kept,) = writing.store.first_waiting(NUMBER, 9)
    same = ("topic", "partition", "offset", "timestamp", "key", "value", "headers")
    assert [getattr(kept.record, name) for name in same] == [getattr(record, name) for name in same]
    bugs.clear()
    Releasing(writing.store, MOMENTS).release(NUMBER)
    ((*_, occurred_at, causation, correlation),) = facts(addresses.database)
    assert (occurred_at, causation, correlation) == (MOMENTS.time(record), "1", "journey")


def test_a_repeat_that_waits_is_answered_as_one_and_another_body_under_its_id_is_refused(
    writing: Writing, bugs: set[str], addresses: Addresses
) -> None:
    bugs.add(NUMBER)
    writing.take(register(), register())
    writing.take(register(), of(NUMBER, "RegisterInvoice", REGISTER | {"remarks": "x"}, "1"), ask_return())
    assert waiting(writing.store) == {NUMBER: 5}
    assert notices(addresses.database) == [("CommandParked", "1", 1), ("CommandParked", "2", 2)]
    bugs.clear()
    Releasing(writing.store, MOMENTS).release(NUMBER)
    codes = ["accepted", "replayed", "replayed", "IDEMPOTENCY_KEY_REUSED"]
    assert replies(addresses.database) == [*[("1", code) for code in codes], ("2", "accepted")]
    assert notices(addresses.database)[2:] == [("CommandReleased", "1", 1), ("CommandReleased", "2", 2)]


def test_a_release_stops_at_a_command_that_still_cannot_be_decided(
    writing: Writing, bugs: set[str], addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    bugs.add(NUMBER)
    writing.take(register(), ask_return(remarks="boom"), register(), cancel())
    bugs.clear()

    def failing(state: Any, claims: Any, command: Any, moment: Any) -> Any:
        if getattr(command, "remarks", None) == "boom":
            raise ValueError("another bug")
        return decide_rightly(state, claims, command, moment)

    monkeypatch.setattr(deciding, "decide", failing)
    releasing = Releasing(writing.store, MOMENTS)
    for answered in (1, 0):
        assert releasing.release(NUMBER) == Emptied(answered, "ValueError('another bug')")
        assert replies(addresses.database) == [("1", "accepted")]
    (parked,) = writing.store.parked()
    assert (parked.commands, parked.error) == (3, "ValueError('another bug')")
    writing.take(cancel(id_="4"))
    monkeypatch.setattr(deciding, "decide", decide_rightly)
    assert releasing.release(NUMBER) == Emptied(4)
    assert [id_ for id_, _ in replies(addresses.database)] == ["1", "2", "1", "3", "4"]


def test_discarded_commands_are_refused_and_use_no_id_up(
    writing: Writing, bugs: set[str], addresses: Addresses
) -> None:
    bugs.add(NUMBER)
    writing.take(register(), ask_return())
    bugs.clear()
    assert Releasing(writing.store, MOMENTS).discard(NUMBER, "sent by mistake") == Emptied(2)
    assert replies(addresses.database) == [("1", "INTERNAL_FAULT"), ("2", "INTERNAL_FAULT")]
    assert waiting(writing.store) == {}
    with psycopg.connect(addresses.database) as connection:
        values = connection.execute("select value from redletter.notices order by place desc limit 1").fetchall()
    assert json.loads(values[0][0])["discarded"] == "sent by mistake"
    writing.take(register())
    assert replies(addresses.database)[-1] == ("1", "accepted")


def test_a_queue_longer_than_a_portion_is_emptied_in_order(
    writing: Writing, bugs: set[str], addresses: Addresses
) -> None:
    bugs.add(NUMBER)
    ids = [str(number) for number in range(2 * MAX_PORTION + 7)]
    writing.take(*(cancel(id_=id_) for id_ in ids))
    bugs.clear()
    assert Releasing(writing.store, MOMENTS).release(NUMBER) == Emptied(len(ids))
    assert [id_ for id_, _ in replies(addresses.database)] == ids


def test_an_outcome_that_cannot_be_written_keeps_its_command_waiting_and_those_before_it_are_answered(
    writing: Writing, bugs: set[str], addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    bugs.add(NUMBER)
    writing.take(*(cancel(id_=str(number)) for number in range(10)))
    bugs.clear()
    save = writing.store.save

    def refuse_the_eighth(write: Write) -> None:
        if any(b'"command_id":"7"' in getattr(entry, "value", b"") for entry in write.entries):
            raise psycopg.DataError("what the store will never take")
        save(write)

    with monkeypatch.context() as patched:
        patched.setattr(writing.store, "save", refuse_the_eighth)
        outcome = Releasing(writing.store, MOMENTS).release(NUMBER)
    assert (outcome.answered, "what the store will never take" in (outcome.error or "")) == (7, True)
    assert Releasing(writing.store, MOMENTS).release(NUMBER) == Emptied(3)
    assert [id_ for id_, _ in replies(addresses.database)] == [str(number) for number in range(10)]


def between(store: Store, rival: Callable[[], None]) -> None:
    """Let a rival write once, after this store has been read and before it is written."""
    save = store.save

    def save_after_the_rival(write: Write) -> None:
        store.save = save
        rival()
        save(write)

    store.save = save_after_the_rival


def test_a_worker_that_still_sees_the_queue_decides_anew_after_a_release(
    writing: Writing, bugs: set[str], addresses: Addresses
) -> None:
    rival = Store(addresses.database)
    bugs.add(NUMBER)
    writing.take(register())
    bugs.clear()
    between(writing.store, lambda: Releasing(rival, MOMENTS).release(NUMBER) and None)
    writing.take(ask_return())
    rival.close()
    assert replies(addresses.database) == [("1", "accepted"), ("2", "accepted")]
    assert waiting(writing.store) == {}


def test_a_release_takes_along_what_a_worker_adds_meanwhile(
    writing: Writing, bugs: set[str], addresses: Addresses
) -> None:
    rival = Store(addresses.database)
    bugs.add(NUMBER)
    writing.take(register())
    bugs.clear()
    between(rival, lambda: writing.take(ask_return()))
    assert Releasing(rival, MOMENTS).release(NUMBER) == Emptied(2)
    rival.close()
    assert replies(addresses.database) == [("1", "accepted"), ("2", "accepted")]


def test_two_workers_add_to_one_queue_and_park_one_invoice_once(
    writing: Writing, bugs: set[str], addresses: Addresses
) -> None:
    rival = Writing(Store(addresses.database))
    bugs.add(NUMBER)
    between(writing.store, lambda: rival.take(register()))
    writing.take(ask_return())
    between(writing.store, lambda: rival.take(register(id_="1b")))
    writing.take(cancel())
    rival.store.close()
    assert waiting(writing.store) == {NUMBER: 4}
    assert notices(addresses.database) == [("CommandParked", id_, n) for n, id_ in enumerate(("1", "2", "1b", "3"), 1)]


def test_two_releases_at_once_answer_each_command_once(writing: Writing, bugs: set[str], addresses: Addresses) -> None:
    rival = Store(addresses.database)
    bugs.add(NUMBER)
    ids = [str(number) for number in range(20)]
    writing.take(*(cancel(id_=id_) for id_ in ids))
    bugs.clear()
    between(writing.store, lambda: Releasing(rival, MOMENTS).release(NUMBER) and None)
    assert Releasing(writing.store, MOMENTS).release(NUMBER) == Emptied(0)
    rival.close()
    assert [id_ for id_, _ in replies(addresses.database)] == ids


def test_a_queue_that_was_parked_anew_meanwhile_is_not_taken_for_the_old_one(
    writing: Writing, bugs: set[str], addresses: Addresses
) -> None:
    """The refusals use no id up, so that nothing but the queue's version tells the two apart."""
    rival = Writing(Store(addresses.database), writing.next)
    bugs.add(NUMBER)
    writing.take(cancel(id_="a"))

    def discarded_and_parked_anew() -> None:
        Releasing(rival.store, MOMENTS).discard(NUMBER, "first")
        rival.take(cancel(id_="b"))

    between(writing.store, discarded_and_parked_anew)
    Releasing(writing.store, MOMENTS).discard(NUMBER, "second")
    rival.store.close()
    assert [id_ for id_, _ in replies(addresses.database)] == ["a", "b"]


def test_a_conflict_that_does_not_go_away_ends_a_release_and_loses_nothing(
    writing: Writing, bugs: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(_: Write) -> None:
        raise Conflict("a rival was faster")

    bugs.add(NUMBER)
    writing.take(register())
    bugs.clear()
    with monkeypatch.context() as patched:
        patched.setattr(writing.store, "save", lose)
        with pytest.raises(Conflict):
            Releasing(writing.store, MOMENTS).release(NUMBER)
    assert waiting(writing.store) == {NUMBER: 1}


ROUNDS = 40


def work_with_bugs(addresses: Addresses, bugs: set[str], record: Callable[[str, str], ConsumerRecord]) -> None:
    """Write batches about two invoices while bugs come and go; a batch that loses to its rivals is tried again."""
    writing = Writing(Store(addresses.database))
    for turn in range(ROUNDS):
        (bugs.update if turn % 4 < 2 else bugs.difference_update)((NUMBER, OTHER))
        records = [record(number, f"{record.__name__}-{turn}-{number}") for number in (NUMBER, OTHER)]
        for attempt in stamina.retry_context(on=Conflict, attempts=100, timeout=None, wait_initial=0, wait_jitter=0):
            with attempt:
                writing.take(*records)
    writing.store.close()


def release_all(addresses: Addresses) -> None:
    store = Store(addresses.database)
    for parked in store.parked():
        with suppress(Conflict):
            Releasing(store, MOMENTS).release(parked.invoice_number)
    store.close()


def release_again_and_again(addresses: Addresses, done: threading.Event) -> None:
    while not done.is_set():
        release_all(addresses)


def test_while_workers_add_commands_releases_answer_every_one_once_and_in_order(
    bugs: set[str], addresses: Addresses
) -> None:
    """Two workers with commands of two topics, and two releases without end."""
    done = threading.Event()
    with ThreadPoolExecutor() as threads:
        releasing = [threads.submit(release_again_and_again, addresses, done) for _ in range(2)]
        working = [threads.submit(work_with_bugs, addresses, bugs, record) for record in (register, cancel)]
        try:
            _ = [worker.result() for worker in working]
        finally:
            done.set()
        _ = [one.result() for one in releasing]
    bugs.clear()
    release_all(addresses)
    for number in (NUMBER, OTHER):
        assert_each_once_and_in_order(addresses, number)


def assert_each_once_and_in_order(addresses: Addresses, number: str) -> None:
    answered = [id_ for id_, _ in replies(addresses.database, number)]
    for name in ("register", "cancel"):
        wanted = [f"{name}-{turn}-{number}" for turn in range(ROUNDS)]
        assert [id_ for id_ in answered if id_.startswith(name)] == wanted
    told = {kind: [one for name, *one in notices(addresses.database, number) if name == kind] for kind in NOTICES}
    assert told["CommandReleased"] == told["CommandParked"] != []


NUMBERS = [f"26{number:018d}" for number in range(1, 5)]
KINDS = ["register", "return", "cancel", "observe", "again"]


class Mix(NamedTuple):
    """Commands of several invoices, the invoices whose decisions raise, and how many commands each batch has."""

    steps: list[tuple[str, str]]
    broken: set[str]
    size: int


MIXES = st.builds(
    Mix,
    st.lists(st.tuples(st.sampled_from(NUMBERS), st.sampled_from(KINDS)), min_size=1, max_size=30),
    st.sets(st.sampled_from(NUMBERS), min_size=1),
    st.integers(1, 8),
)
OBSERVED = {"posting_status": "recorded", "observed_at": "2026-02-13T01:00:00Z"}


def records_of(steps: Sequence[tuple[str, str]]) -> list[ConsumerRecord]:
    """Return a record for each step, under an id of its own; a step again repeats the record before it."""
    made: list[ConsumerRecord] = []
    for index, (number, step) in enumerate(steps):
        id_ = str(index)
        match step:
            case "register":
                made.append(register(number, id_))
            case "return":
                made.append(ask_return(number, id_))
            case "observe":
                made.append(of(number, "RecordPostingStatus", OBSERVED, id_))
            case "again" if made:
                made.append(made[-1])
            case _:
                made.append(cancel(number, id_))
    return made


def said(database_url: str) -> dict[str, list[bytes]]:
    """Return the replies about each invoice in order."""
    found: dict[str, list[bytes]] = defaultdict(list)
    with psycopg.connect(database_url) as connection:
        query = "select subject, value from redletter.replies order by partition, place"
        for number, value in connection.execute(query):
            found[number].append(value)
    return found


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mix=MIXES)
def test_after_a_fix_and_a_release_all_is_as_if_there_had_been_no_bug(
    servers: Addresses, template: str, bugs: set[str], mix: Mix
) -> None:
    outcomes: list[Any] = []
    for faulty in (frozenset[str](), mix.broken):
        with database(servers, template) as url:
            store = Store(url)
            bugs |= faulty
            writing, records = Writing(store), records_of(mix.steps)
            for first in range(0, len(records), mix.size):
                writing.take(*records[first : first + mix.size])
            bugs.clear()
            for parked in store.parked():
                assert Releasing(store, MOMENTS).release(parked.invoice_number).error is None
            store.close()
            outcomes.append((facts(url), said(url)))
    assert outcomes[0] == outcomes[1]
