"""What has come while a batch was handled is handed out together; no record twice."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.subscription_state import SubscriptionState

from tests.transport.support.writing import TOPIC
from transport.clients.stepping_consumer import SteppingConsumer

FIRST, SECOND = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)
Answer = Mapping[TopicPartition, list[Any]]


class Client:
    """What the library's consumer is asked, and answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Answer) -> None:
        self.asked: list[tuple[float, int | None]] = []
        self.sought: list[tuple[TopicPartition, int]] = []
        self.meanwhile: Callable[[SteppingConsumer], None] = lambda _: None
        self.reassigning = False
        left = list(answers)

        async def getmany(consumer: Any, *_: object, timeout_ms: float, max_records: int | None) -> Answer:
            self.asked.append((timeout_ms, max_records))
            if len(self.asked) > 1:
                self.meanwhile(consumer)
            return left.pop(0)

        monkeypatch.setattr(AIOKafkaConsumer, "getmany", getmany)
        monkeypatch.setattr(AIOKafkaConsumer, "seek", lambda _, *place: self.sought.append(place))
        positions = dict.fromkeys((FIRST, SECOND), 5)
        monkeypatch.setattr(SteppingConsumer, "_positions", lambda _: positions)
        monkeypatch.setattr(SubscriptionState, "reassignment_in_progress", property(lambda _: self.reassigning))


def consumer(durable: Mapping[TopicPartition, int]) -> SteppingConsumer:
    return SteppingConsumer(lambda: durable, least_wait_ms=1000, gather_ms=3)


async def test_what_came_before_it_was_asked_for_is_joined_by_what_waits_in_kafka(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Client(monkeypatch, {FIRST: [1]}, {FIRST: [2], SECOND: [3, 4]})
    assert await consumer({}).getmany(timeout_ms=1, max_records=10) == {FIRST: [1, 2], SECOND: [3, 4]}
    assert client.asked == [(0, 10), (3, 9)]


async def test_what_comes_alone_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(monkeypatch, {}, {FIRST: [1]})
    assert await consumer({}).getmany(timeout_ms=1, max_records=10) == {FIRST: [1]}
    assert client.asked == [(0, 10), (1000, 10)]


async def test_a_full_batch_is_not_added_to(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(monkeypatch, {FIRST: [1, 2]})
    assert await consumer({}).getmany(timeout_ms=1, max_records=2) == {FIRST: [1, 2]}
    assert client.asked == [(0, 2)]


async def test_while_partitions_are_reassigned_what_came_waits_for_nothing_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Client(monkeypatch, {FIRST: [1]})
    client.reassigning = True
    assert await consumer({}).getmany(timeout_ms=1, max_records=10) == {FIRST: [1]}
    assert client.asked == [(0, 10)]


async def test_where_partitions_are_reassigned_in_between_everything_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was drained may belong to another member by now."""
    client = Client(monkeypatch, {FIRST: [1]}, {})
    client.meanwhile = lambda _: setattr(client, "reassigning", True)
    assert await consumer({FIRST: 1, SECOND: 7}).getmany(timeout_ms=1, max_records=10) == {}
    assert client.sought == [(FIRST, 1), (SECOND, 7)]


async def test_where_a_position_is_reset_in_between_everything_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second answer begins with the records of the first: they would be handled twice."""
    client = Client(monkeypatch, {FIRST: [1]}, {FIRST: [1, 2]})
    client.meanwhile = lambda consumer: consumer.seek(FIRST, 1)
    assert await consumer({FIRST: 1, SECOND: 7}).getmany(timeout_ms=1, max_records=10) == {}
    assert client.sought == [(FIRST, 1), (FIRST, 1), (SECOND, 7)]


async def test_what_was_drained_counts_from_where_it_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition that was reset in between is recognised by the position that it had."""
    durable = {FIRST: 1}
    client = Client(monkeypatch, {FIRST: [1]}, {SECOND: [2]})
    client.meanwhile = lambda _: durable.update({FIRST: 9})
    member = consumer(durable)
    await member.getmany(timeout_ms=1, max_records=10)
    assert member.origins == {FIRST: 1}
