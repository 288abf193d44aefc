"""An invoice that one read model cannot fold waits there; every other one, and every other read model, goes on."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import psycopg
import pytest
from aiokafka import TopicPartition

from events.invoice_events import AnyInvoiceEvent, CreditNoteIssued
from events.names import PROJECTOR_GROUP
from events.topics import EVENTS_TOPIC
from projections import catalogue, projector, releasing
from projections.catalogue import MODELS, REBUILT
from projections.engine import parking
from projections.engine.health import Health
from projections.engine.joint_projection import JointProjection, Traveller
from projections.engine.live_projection import MAX_TRIES, LiveProjection
from projections.engine.projection import Projection
from projections.rebuild.rebuilding import rebuild, verify
from projections.releasing import parked_invoices
from tests.projections.support.projected import number
from tests.projections.support.published import messages, publish, record
from tests.projections.support.rebuilt import contents, quietly, seen, story
from tests.support.tasks import running
from tests.support.waiting import until
from transport import positions
from transport.addresses import Addresses
from transport.batch import Batch, PartitionsStopped
from transport.records import ConsumerRecord

DETAILS = MODELS["details"]
PARTITION = TopicPartition(EVENTS_TOPIC, 0)
CREDITED = 5
"""The version of CreditNoteIssued in a story."""


class Bug:
    """A fold that raises for some invoices, from the credit note on."""

    def __init__(self, fold: Any) -> None:
        self._fold = fold
        self.invoices = {number(1)}

    def fold(self, row: Any, event: AnyInvoiceEvent, version: int) -> Any:
        if event.invoice_number in self.invoices and isinstance(event, CreditNoteIssued):
            raise ZeroDivisionError("division\nby zero")
        return self._fold(row, event, version)


@pytest.fixture
def bug(monkeypatch: pytest.MonkeyPatch) -> Bug:
    """Break the fold of the details for invoice 1."""
    bug = Bug(catalogue.details.fold)
    monkeypatch.setattr(catalogue.details, "fold", bug.fold)
    return bug


def make(tables: Addresses) -> LiveProjection:
    health = Health(tables.database, "details", "code")
    projection = Projection(
        tables.database, consumer=DETAILS.consumer, model=DETAILS.make(), guard=health, parks=DETAILS.name
    )
    return LiveProjection(projection, health)


@pytest.fixture
def details(tables: Addresses, bug: Bug) -> Iterator[LiveProjection]:
    assert bug.invoices
    with closing(make(tables)) as live:
        position(tables)
        yield live


def position(tables: Addresses) -> int:
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        return positions.stored(cur, DETAILS.consumer, [PARTITION])[PARTITION]


def batch(*indexes: int, first: int = 0, of: slice = slice(None)) -> Batch:
    """Return stories, one event of each in turn, as a batch that begins at an offset."""
    stories = [messages(story(index))[of] for index in indexes]
    mixed = [one for together in zip(*stories, strict=True) for one in together]
    records: Sequence[ConsumerRecord] = [record(one, offset) for offset, one in enumerate(mixed, first)]
    return Batch(records, {PARTITION: first})


def handle(live: LiveProjection, one: Batch) -> None:
    """Handle a batch as a consumer does: again after an error."""
    for _ in range(MAX_TRIES - 1):
        with pytest.raises(ZeroDivisionError):
            live.handle(one)
    live.handle(one)


def versions(tables: Addresses) -> dict[str, int]:
    with psycopg.connect(tables.database) as connection:
        return dict(connection.execute("select invoice_number, version from projections.details").fetchall())


def parked(addresses: Addresses) -> list[tuple[str, str, int, int, str]]:
    return [
        (one.model, one.invoice_number, one.record_offset, one.version, one.why)
        for one in parked_invoices(addresses.database)
    ]


async def at(addresses: Addresses, wanted: dict[str, int]) -> bool:
    return versions(addresses) == wanted


WHY = "ZeroDivisionError: division by zero"


def test_an_invoice_that_cannot_be_folded_is_parked_and_the_others_go_on(
    tables: Addresses, details: LiveProjection
) -> None:
    handle(details, batch(0, 1, 2))
    assert parked(tables) == [("details", number(1), 13, CREDITED, WHY)]
    assert versions(tables) == {number(0): 7, number(1): CREDITED - 1, number(2): 7}
    assert position(tables) == 21


def test_later_events_of_a_parked_invoice_are_left_out(tables: Addresses, details: LiveProjection) -> None:
    handle(details, batch(0, 1, of=slice(5)))
    details.handle(batch(0, 1, first=10, of=slice(5, 7)))
    assert (versions(tables), position(tables)) == ({number(0): 7, number(1): CREDITED - 1}, 14)


def test_a_lost_event_stops_the_partition_and_parks_nothing(tables: Addresses, details: LiveProjection) -> None:
    details.handle(batch(0, 2, of=slice(3)))
    with pytest.raises(PartitionsStopped):
        details.handle(batch(0, 2, first=6, of=slice(4, 7)))
    assert (parked(tables), position(tables)) == ([], 6)


def test_a_read_model_that_fails_for_too_many_invoices_stops(
    tables: Addresses, details: LiveProjection, bug: Bug, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "MAX_PARKED_INVOICES", 2)
    bug.invoices |= {number(2), number(3)}
    for _ in range(MAX_TRIES - 1):
        with pytest.raises(ZeroDivisionError):
            details.handle(batch(1, 2, 3))
    with pytest.raises(PartitionsStopped):
        details.handle(batch(1, 2, 3))
    assert ([one[1] for one in parked(tables)], position(tables)) == ([number(1), number(2)], 14)


def test_read_models_that_travel_together_leave_out_what_one_of_them_has_parked(
    tables: Addresses, details: LiveProjection
) -> None:
    handle(details, batch(0, 1, of=slice(5)))
    travellers = [Traveller(one.name, one.consumer, one.make(), one.fingerprint) for one in REBUILT.values()]  # pyright: ignore[reportArgumentType] - those of events
    with closing(JointProjection(tables.database, leader=PROJECTOR_GROUP, travellers=travellers)) as together:
        with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
            for consumer in (PROJECTOR_GROUP, *(one.consumer for one in REBUILT.values() if one is not DETAILS)):
                positions.stored(cur, consumer, [PARTITION])
        together.handle(batch(0, 1, of=slice(5)))
        together.handle(batch(0, 1, first=10, of=slice(5, 7)))
    assert (versions(tables), position(tables)) == ({number(0): 7, number(1): CREDITED - 1}, 14)
    with psycopg.connect(tables.database) as connection:
        others = connection.execute("select invoice_number, version from projections.status order by 1").fetchall()
    assert others == [(number(0), 7), (number(1), 7)]


async def test_a_released_invoice_is_as_a_fresh_fold_shows_it_and_goes_on(addresses: Addresses, bug: Bug) -> None:
    await publish(addresses, [one for index in range(4) for one in messages(story(index))])
    async with running(projector.run(addresses)):
        await until(lambda: at(addresses, {number(0): 7, number(1): CREDITED - 1, number(2): 7, number(3): 7}))
        found = await verify(addresses, DETAILS, quietly())
        assert (found.same, found.rows, found.parked) == (True, 3, 1)
        assert await releasing.release(addresses, DETAILS, {number(1)}) == {number(1): WHY}
        assert len(parked(addresses)) == 1
        bug.invoices.clear()
        with psycopg.connect(addresses.database) as connection:  # what the bug may have left of the invoice
            connection.execute("update projections.details set sequel = '{}' where invoice_number = %s", (number(1),))
        assert await releasing.release(addresses, DETAILS, {number(1)}) == {}
        assert parked(addresses) == []
        await until(lambda: seen(addresses, 4))
        assert (await verify(addresses, DETAILS, quietly())).same is True
        await publish(addresses, messages([story(1)[1]], first=8))
        await until(lambda: at(addresses, {number(0): 7, number(1): 8, number(2): 7, number(3): 7}))


async def test_a_rebuild_parks_what_it_cannot_fold_and_releases_what_it_can(addresses: Addresses, bug: Bug) -> None:
    await publish(addresses, [one for index in range(4) for one in messages(story(index))])
    async with running(projector.run(addresses)):
        await until(lambda: at(addresses, {number(0): 7, number(1): CREDITED - 1, number(2): 7, number(3): 7}))
        rebuilt = await rebuild(addresses, DETAILS, quietly(), grace=0)
        assert (rebuilt.same, rebuilt.parked, parked(addresses)[0][1]) == (True, 1, number(1))
        bug.invoices = {number(2)}
        rebuilt = await rebuild(addresses, DETAILS, quietly(), grace=0)
        assert ([one[1] for one in parked(addresses)], rebuilt.parked) == ([number(2)], 1)
        assert versions(addresses)[number(1)] == 7
        bug.invoices.clear()
        assert (await rebuild(addresses, DETAILS, quietly(), grace=0)).parked == 0
        assert len(contents(addresses, "details")) == 4
        assert (await verify(addresses, DETAILS, quietly())).same is True
