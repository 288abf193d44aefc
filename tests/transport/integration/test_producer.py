"""Fenced writing: a later owner's word is the last."""

import asyncio
import gc
from typing import Any

import pytest

from tests.faults.support.evidence import everything
from transport.addresses import Addresses
from transport.producer import Fenced, FencedProducers, TooLarge
from transport.records import OutgoingRecord

TOPIC = "tax.requests"


def message(value: str, partition: int = 0) -> OutgoingRecord:
    return OutgoingRecord(TOPIC, b"key", value.encode(), [], partition)


async def test_an_earlier_owner_cannot_write_after_a_later_one(addresses: Addresses) -> None:
    earlier, later = (FencedProducers(addresses.kafka, "tests.fence") for _ in range(2))
    await earlier.own(frozenset({0}))
    await earlier.publish(0, [message("first")])
    await later.own(frozenset({0}))
    await later.publish(0, [message("second")])
    with pytest.raises(Fenced):
        await earlier.publish(0, [message("too late")])
    await later.publish(0, [message("third")])
    assert [record.value for record in await everything(addresses.kafka, TOPIC)] == [b"first", b"second", b"third"]
    await earlier.close()
    await later.close()


async def test_a_fenced_producer_leaves_no_failure_that_nobody_has_seen(addresses: Addresses) -> None:
    unseen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    earlier, later = (FencedProducers(addresses.kafka, "tests.fence") for _ in range(2))
    await earlier.own(frozenset({0}))
    await later.own(frozenset({0}))
    with pytest.raises(Fenced):
        await earlier.publish(0, [message("too late")])
    gc.collect()
    assert not unseen
    await later.close()


async def test_a_partition_that_is_not_owned_cannot_be_written(addresses: Addresses) -> None:
    producers = FencedProducers(addresses.kafka, "tests.fence")
    with pytest.raises(Fenced):
        await producers.publish(0, [message("no")])


async def test_a_transaction_with_a_record_that_is_refused_leaves_nothing(addresses: Addresses) -> None:
    producers = FencedProducers(addresses.kafka, "tests.fence")
    await producers.own(frozenset({0}))
    with pytest.raises(TooLarge):
        await producers.publish(0, [message("good"), message("x" * (5 << 20))])
    await producers.own(frozenset({0}))
    await producers.publish(0, [message("after")])
    assert [record.value for record in await everything(addresses.kafka, TOPIC)] == [b"after"]
    await producers.close()


async def test_a_record_with_neither_key_nor_value_is_written_in_its_transaction(addresses: Addresses) -> None:
    producers = FencedProducers(addresses.kafka, "tests.fence")
    await producers.own(frozenset({0}))
    bare = OutgoingRecord(TOPIC, None, None, [("name", b"value")])
    await producers.publish(0, [message("before"), bare, message("after"), bare])
    records = await everything(addresses.kafka, TOPIC)
    assert [record.value for record in records if record.partition == 0 and record.value] == [b"before", b"after"]
    assert [record.headers for record in records if record.value is None] == [(("name", b"value"),)] * 2
    await producers.close()
