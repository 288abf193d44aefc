"""Workers and releases at one queue of parked commands: nothing that waits is lost, repeated or overtaken."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import stamina

from service.store.event_store import Store
from service.store.write import Conflict, Write
from service.worker.releasing import Emptied, Releasing
from tests.service.support import parking
from tests.service.support.records import MOMENTS, NUMBER
from transport.records import ConsumerRecord


def between(store: Store, rival: Callable[[], None]) -> None:
    """Let a rival write once, after this store has been read and before it is written."""
    save = store.save

    def save_after_the_rival(write: Write) -> Mapping[int, int]:
        store.save = save
        rival()
        return save(write)

    store.save = save_after_the_rival


def test_a_worker_that_still_sees_the_queue_decides_anew_after_a_release(
    writing: parking.Writing, bugs: set[str], database: str
) -> None:
    rival = Store(database)
    bugs.add(NUMBER)
    writing.take(parking.register())
    bugs.clear()
    between(writing.store, lambda: Releasing(rival, MOMENTS).release(NUMBER) and None)
    writing.take(parking.ask_return())
    rival.close()
    assert parking.replies(database) == [("1", "accepted"), ("2", "accepted")]
    assert parking.waiting(writing.store) == {}


def test_a_release_takes_along_what_a_worker_adds_meanwhile(
    writing: parking.Writing, bugs: set[str], database: str
) -> None:
    rival = Store(database)
    bugs.add(NUMBER)
    writing.take(parking.register())
    bugs.clear()
    between(rival, lambda: writing.take(parking.ask_return()))
    assert Releasing(rival, MOMENTS).release(NUMBER) == Emptied(2)
    rival.close()
    assert parking.replies(database) == [("1", "accepted"), ("2", "accepted")]


def test_two_workers_add_to_one_queue_and_park_one_invoice_once(
    writing: parking.Writing, bugs: set[str], database: str
) -> None:
    rival = parking.Writing(Store(database))
    bugs.add(NUMBER)
    between(writing.store, lambda: rival.take(parking.register()))
    writing.take(parking.ask_return())
    between(writing.store, lambda: rival.take(parking.register(id_="1b")))
    writing.take(parking.cancel())
    rival.store.close()
    assert parking.waiting(writing.store) == {NUMBER: 4}
    assert parking.notices(database) == [("CommandParked", id_, n) for n, id_ in enumerate(("1", "2", "1b", "3"), 1)]


def test_two_releases_at_once_answer_each_command_once(writing: parking.Writing, bugs: set[str], database: str) -> None:
    rival = Store(database)
    bugs.add(NUMBER)
    ids = [str(number) for number in range(20)]
    writing.take(*(parking.cancel(id_=id_) for id_ in ids))
    bugs.clear()
    between(writing.store, lambda: Releasing(rival, MOMENTS).release(NUMBER) and None)
    assert Releasing(writing.store, MOMENTS).release(NUMBER) == Emptied(0)
    rival.close()
    assert [id_ for id_, _ in parking.replies(database)] == ids


def test_a_queue_that_was_parked_anew_meanwhile_is_not_taken_for_the_old_one(
    writing: parking.Writing, bugs: set[str], database: str
) -> None:
    """The refusals use no id up, so that nothing but the queue's version tells the two apart."""
    rival = parking.Writing(Store(database), writing.next)
    bugs.add(NUMBER)
    writing.take(parking.cancel(id_="a"))

    def discarded_and_parked_anew() -> None:
        Releasing(rival.store, MOMENTS).discard(NUMBER, "first")
        rival.take(parking.cancel(id_="b"))

    between(writing.store, discarded_and_parked_anew)
    Releasing(writing.store, MOMENTS).discard(NUMBER, "second")
    rival.store.close()
    assert [id_ for id_, _ in parking.replies(database)] == ["a", "b"]


def test_a_conflict_that_does_not_go_away_ends_a_release_and_loses_nothing(
    writing: parking.Writing, bugs: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(_: Write) -> None:
        raise Conflict("a rival was faster")

    bugs.add(NUMBER)
    writing.take(parking.register())
    bugs.clear()
    with monkeypatch.context() as patched:
        patched.setattr(writing.store, "save", lose)
        with pytest.raises(Conflict):
            Releasing(writing.store, MOMENTS).release(NUMBER)
    assert parking.waiting(writing.store) == {NUMBER: 1}


ROUNDS = 40


def work_with_bugs(database: str, bugs: set[str], record: Callable[[str, str], ConsumerRecord]) -> None:
    """Write batches about two invoices while bugs come and go; a batch that loses to its rivals is tried again."""
    writing = parking.Writing(Store(database))
    for turn in range(ROUNDS):
        (bugs.update if turn % 4 < 2 else bugs.difference_update)((NUMBER, parking.OTHER))
        records = [record(number, f"{record.__name__}-{turn}-{number}") for number in (NUMBER, parking.OTHER)]
        for attempt in stamina.retry_context(on=Conflict, attempts=100, timeout=None, wait_initial=0, wait_jitter=0):
            with attempt:
                writing.take(*records)
    writing.store.close()


def release_all(database: str) -> None:
    store = Store(database)
    for parked in store.parked():
        with suppress(Conflict):
            Releasing(store, MOMENTS).release(parked.invoice_number)
    store.close()


def release_again_and_again(database: str, done: threading.Event) -> None:
    while not done.is_set():
        release_all(database)


def test_while_workers_add_commands_releases_answer_every_one_once_and_in_order(bugs: set[str], database: str) -> None:
    """Two workers with commands of two topics, and two releases without end."""
    done = threading.Event()
    with ThreadPoolExecutor() as threads:
        releasing = [threads.submit(release_again_and_again, database, done) for _ in range(2)]
        working = [
            threads.submit(work_with_bugs, database, bugs, record) for record in (parking.register, parking.cancel)
        ]
        try:
            _ = [worker.result() for worker in working]
        finally:
            done.set()
        _ = [one.result() for one in releasing]
    bugs.clear()
    release_all(database)
    for number in (NUMBER, parking.OTHER):
        assert_each_once_and_in_order(database, number)


def assert_each_once_and_in_order(database: str, number: str) -> None:
    answered = [id_ for id_, _ in parking.replies(database, number)]
    for name in ("register", "cancel"):
        wanted = [f"{name}-{turn}-{number}" for turn in range(ROUNDS)]
        assert [id_ for id_ in answered if id_.startswith(name)] == wanted
    reported = {
        kind: [one for name, *one in parking.notices(database, number) if name == kind] for kind in parking.NOTICES
    }
    assert reported["CommandReleased"] == reported["CommandParked"] != []
