"""Keys are made, kept wrapped, found again and destroyed with what the worker writes."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from events.compact_jwe import unseal
from rules.key_wrapping import OutsideKey, WrappedKey
from service.invoice.moment import Policy
from service.store.event_store import Store
from service.store.write import Conflict, Write
from service.worker.moments import Moments
from service.worker.releasing import Releasing
from service.worker.sealing import Sealing
from tests.service.support.parking import Writing, of
from tests.service.support.records import MOMENTS, NUMBER, REGISTER
from transport.records import ConsumerRecord

NAME = "张三的公司"
SECRET: dict[str, Any] = {**REGISTER, "buyer": {"name": NAME}}
WRAPPING = OutsideKey(b"outside key of these tests, 32 b")
SEALING = Sealing(on=True, wrapping=WRAPPING)
AT_ONCE = Moments(
    MOMENTS.shift, MOMENTS.calendar, Policy("simple", timedelta(minutes=5), timedelta(hours=2), retention_years=0)
)


@pytest.fixture
def sealing(store: Store) -> Writing:
    """Return a worker with sealing on, which remembers nothing from one batch to the next, and may erase at once."""
    return Writing(store, moments=AT_ONCE, sealing=SEALING)


def register(number: str = NUMBER) -> ConsumerRecord:
    charges = [{"charge_id": number, "amount": "106.00"}]
    return of(number, "RegisterInvoice", SECRET | {"charges": charges}, "register")


def ask_return(**more: Any) -> ConsumerRecord:
    return of(NUMBER, "RequestReturn", {"account_id": "account", **more}, "return")


def erase() -> ConsumerRecord:
    return of(NUMBER, "EraseInvoice", {"reason": "over", "requested_by": "office"}, "erase")


def rows(database: str, query: str) -> Sequence[tuple[Any, ...]]:
    with psycopg.connect(database) as connection:
        return connection.execute(query.encode()).fetchall()


def kept(database: str) -> dict[str, WrappedKey]:
    return {number: WrappedKey(*key) for number, *key in rows(database, "select * from redletter.invoice_keys")}


def events(database: str) -> list[dict[str, Any]]:
    query = "select state from redletter.invoice_events order by originator_version"
    return [json.loads(state) for (state,) in rows(database, query)]


def codes(database: str) -> list[str]:
    query = "select value from redletter.replies order by partition, place"
    return [json.loads(value).get("code", "accepted") for (value,) in rows(database, query)]


def test_the_key_of_an_invoice_is_kept_wrapped_with_the_event_that_it_seals(sealing: Writing, database: str) -> None:
    sealing.take(register())
    key = WRAPPING.unwrap(kept(database)[NUMBER], NUMBER)
    (issued,) = events(database)
    assert issued["buyer"]["name"] == "[sealed]"
    assert unseal(key, issued["sealed"])["/buyer/name"] == NAME


def test_another_worker_finds_the_key_and_an_erasure_deletes_it(sealing: Writing, database: str) -> None:
    sealing.take(register())
    sealing.take(ask_return(remarks=NAME))
    key = WRAPPING.unwrap(kept(database)[NUMBER], NUMBER)
    assert unseal(key, events(database)[1]["sealed"]) == {"/remarks": NAME}
    sealing.take(erase())
    assert codes(database)[-1] == "RETURN_ALREADY_IN_PROGRESS"
    assert NUMBER in kept(database)


def test_an_erasure_deletes_the_key_with_the_event_that_says_so(sealing: Writing, database: str) -> None:
    sealing.take(register())
    sealing.take(erase())
    assert (codes(database), NUMBER in kept(database)) == (["accepted"] * 2, False)
    assert events(database)[-1]["requested_by"] == "office"
    sealing.take(ask_return())
    assert codes(database)[-1] == "INVOICE_ERASED"
    assert NUMBER not in kept(database)


def test_of_two_who_make_a_key_or_destroy_it_one_is_too_late(store: Store) -> None:
    made = Write([], [], [], keys_made={NUMBER: WRAPPING.wrap(bytes(32), NUMBER)})
    store.save(made)
    with pytest.raises(Conflict, match="key"):
        store.save(made)
    store.save(Write([], [], [], keys_destroyed={NUMBER}))
    with pytest.raises(Conflict, match="key"):
        store.save(Write([], [], [], keys_destroyed={NUMBER}))


def test_a_command_that_waits_is_sealed_and_released_as_it_came(
    sealing: Writing, store: Store, database: str, bugs: set[str]
) -> None:
    sealing.take(register())
    bugs.add(NUMBER)
    sealing.take(ask_return(remarks=NAME))
    ((value,),) = rows(database, "select value from redletter.parked_commands")
    assert NAME.encode() not in value
    assert json.dumps(NAME).encode() not in value
    bugs.clear()
    assert Releasing(store, AT_ONCE, SEALING).release(NUMBER).answered == 1
    key = WRAPPING.unwrap(kept(database)[NUMBER], NUMBER)
    assert unseal(key, events(database)[1]["sealed"]) == {"/remarks": NAME}


def test_dead_letters_are_sealed_under_the_key_of_their_invoice_or_all_under_one(
    sealing: Writing, database: str
) -> None:
    sealing.take(register())
    sealing.take(
        of(NUMBER, "RequestReturn", {"account_id": "account", "remarks": 1, "more": NAME}, "wrong"),
        of("26000000000000000009", "RequestReturn", {"remarks": NAME, "account_id": 1}, "unknown"),
    )
    letters = rows(database, "select value, header_names, header_values from redletter.dead_letters order by place")
    assert all(names[-1] == b"dl_sealed" for _, names, _ in letters)
    assert {values[-1] for *_, values in letters} == {NUMBER.encode(), b"common"}
    assert kept(database).keys() == {NUMBER, "common"}
    assert not any(NAME.encode() in value or json.dumps(NAME).encode() in value for value, *_ in letters)
