"""How far behind a consumer is: what was there before the look, and is not done after it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition

from tests.support.undecodable import publish_undecodable
from transport.addresses import Addresses
from web.operations import lag
from web.operations.lag import PartitionLag, Position

HERE = TopicPartition("tax.requests", 0)


async def publish(addresses: Addresses, count: int) -> None:
    writer: Any = AIOKafkaProducer(bootstrap_servers=addresses.kafka)
    async with writer as producer:
        for _ in range(count):
            await producer.send_and_wait(HERE.topic, b"request", partition=HERE.partition)


def standing(
    *places: int, during: Callable[[], Awaitable[None]] | None = None
) -> Callable[[], Awaitable[Sequence[Position]]]:
    """Return a consumer that stands at one place after the other, each time it is asked."""
    left = iter(places)

    async def stand() -> Sequence[Position]:
        place = next(left)
        if during and place != places[0]:
            await during()
        return [Position("tests", HERE, place)]

    return stand


async def test_records_processed_while_lag_is_measured_are_not_lag(addresses: Addresses) -> None:
    await publish(addresses, 3)
    assert [one.messages for one in await lag.lags(addresses.kafka, standing(0, 2))] == [1]
    (level,) = await lag.lags(addresses.kafka, standing(0, 3))
    assert (level.messages, level.seconds) == (0, 0)


async def test_records_that_arrive_while_lag_is_measured_are_not_lag(addresses: Addresses) -> None:
    await publish(addresses, 1)
    (level,) = await lag.lags(addresses.kafka, standing(0, 1, during=lambda: publish(addresses, 5)))
    assert (level.messages, level.seconds) == (0, 0)


async def test_a_partition_that_a_consumer_came_to_during_the_look_is_left_for_the_next(addresses: Addresses) -> None:
    new = Position("tests", HERE._replace(partition=1), 0)
    looks = iter([[Position("tests", HERE, 0)], [Position("tests", HERE, 0), new]])

    async def stand() -> Sequence[Position]:
        return next(looks)

    assert [one.messages for one in await lag.lags(addresses.kafka, stand)] == [0]


async def test_what_lies_behind_an_open_transaction_is_lag(addresses: Addresses) -> None:
    """Nobody can read on before it ends, and it may be anybody's."""
    await publish(addresses, 2)
    foreign = AIOKafkaProducer(bootstrap_servers=addresses.kafka, transactional_id="foreign")
    await foreign.start()
    try:
        await foreign.begin_transaction()
        await foreign.send_and_wait(HERE.topic, b"open", partition=HERE.partition)
        await publish(addresses, 3)
        (level,) = await lag.lags(addresses.kafka, standing(2, 2))
        assert level.messages == 4
        assert level.seconds > 0
        assert level.partitions == [PartitionLag(HERE, level.messages, level.seconds)]
        await foreign.abort_transaction()
        (level,) = await lag.lags(addresses.kafka, standing(2, 2))
        assert level.messages == 3
    finally:
        await foreign.stop()


async def test_what_cannot_be_decoded_is_lag_like_any_record(addresses: Addresses) -> None:
    await publish(addresses, 1)
    await publish_undecodable(addresses.kafka, HERE.topic, HERE.partition)
    await publish(addresses, 1)
    (level,) = await lag.lags(addresses.kafka, standing(0, 0))
    assert level.messages == 3
