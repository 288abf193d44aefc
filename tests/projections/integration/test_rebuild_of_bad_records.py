"""A rebuild meets records that it cannot fold or decode, that are compressed, or that never come."""

import asyncio
from functools import partial

import pytest

from events.topics import EVENTS_TOPIC
from projections import resuming
from projections.catalogue import MODELS
from projections.rebuild import filling, rebuilding, shares
from projections.rebuild.filling import CannotFold, Stalled
from projections.rebuild.rebuilding import rebuild, verify
from tests.projections.support.projected import number
from tests.projections.support.published import messages, publish
from tests.projections.support.rebuilt import change, contents, projected, quietly, rows, story, tables_left
from tests.support.kafka_codecs import compress
from tests.support.undecodable import publish_undecodable
from tests.support.waiting import until
from transport.addresses import Addresses
from transport.records import OutgoingRecord


def bad_event() -> OutgoingRecord:
    return OutgoingRecord(EVENTS_TOPIC, number(0).encode(), b"{}", [], partition=0)


async def test_a_rebuild_and_a_verification_say_that_the_live_model_has_stopped(addresses: Addresses) -> None:
    async with projected(addresses, 5):
        await publish(addresses, [bad_event()])
        await until(lambda: _stopped(addresses))
        for work in (verify, partial(rebuild, grace=0)):
            outcome = await work(addresses, MODELS["forms"], quietly())
            assert outcome.same is True
            (why,) = outcome.stopped
            assert why.startswith("invoice.events[0] offset ")
    assert tables_left(addresses) == []


@pytest.mark.parametrize("worth_it", [0, 1_000_000], ids=["in several processes", "in one process"])
async def test_a_rebuild_that_meets_an_event_it_cannot_fold_ends_and_leaves_nothing(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch, worth_it: int
) -> None:
    monkeypatch.setattr(shares, "MIN_RECORDS_FOR_PROCESSES", worth_it)
    monkeypatch.setattr(rebuilding, "_MAX_RECORDS_BEHIND_TO_PAUSE", -1 if worth_it == 0 else 0)
    async with projected(addresses, 5):
        await publish(addresses, [bad_event()])
        await until(lambda: _stopped(addresses))
        await asyncio.to_thread(resuming.skip_records, addresses.database, MODELS["forms"])
        await publish(addresses, messages(story(999)))
        before = contents(addresses, "forms")
        with pytest.raises(CannotFold, match=r"^invoice.events\[0\] offset \d+ is not a known event$"):
            await rebuild(addresses, MODELS["forms"], quietly())
        assert set(before) <= set(contents(addresses, "forms"))
    assert tables_left(addresses) == []


async def test_a_rebuild_that_meets_an_undecodable_record_says_which_and_leaves_nothing(
    addresses: Addresses,
) -> None:
    async with projected(addresses, 5):
        await publish_undecodable(addresses.kafka, EVENTS_TOPIC)
        await until(lambda: _stopped(addresses))
        await asyncio.to_thread(resuming.skip_records, addresses.database, MODELS["forms"])
        with pytest.raises(CannotFold, match=r"^invoice.events\[0\] offset \d+ cannot be decoded: .*utf-8"):
            await rebuild(addresses, MODELS["forms"], quietly())
    assert tables_left(addresses) == []


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
async def test_a_rebuild_reads_compressed_events(addresses: Addresses, codec: str) -> None:
    await compress(addresses, EVENTS_TOPIC, codec)
    async with projected(addresses, 20):
        outcome = await rebuild(addresses, MODELS["forms"], quietly(), grace=0)
        assert (outcome.same, outcome.rows) == (True, len(contents(addresses, "forms")))
        assert outcome.rows > 0


async def test_a_rebuild_does_not_wait_for_events_that_never_come(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "_STALLED_SECONDS", 1.0)
    async with projected(addresses, 5):
        pass
    change(addresses, "update redletter.positions set next = next + 5 where consumer = %s", MODELS["forms"].consumer)
    with pytest.raises(Stalled, match=r"delivers no records of invoice\.events"):
        await rebuild(addresses, MODELS["forms"], quietly())


async def _stopped(addresses: Addresses) -> bool:
    return bool(rows(addresses, "select 1 from projections.stopped where model = 'forms'"))
