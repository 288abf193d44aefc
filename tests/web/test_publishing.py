"""Commands over HTTP while Kafka is frozen, and what the api keeps of replies."""

# pyright: reportPrivateUsage=false

import asyncio
import signal
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from events.topics import TOPICS, Channel
from local.kafka_server import EmbeddedKafka, embedded_kafka
from tests.conftest import PARTITIONS
from tests.faults.support.evidence import everything, headers
from tests.projections.support import facts
from tests.web.test_api import serving, until
from transport import topics
from transport.addresses import Addresses
from web.gateway import publishing
from web.gateway.publishing import CommandPublisher

RETURN = f"/invoices/{facts.NUMBER}/return"
MIB = 1 << 20


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    """Start a broker of this test's own, since it is frozen."""
    with tempfile.TemporaryDirectory(prefix="redletter-tests-") as folder, embedded_kafka(Path(folder)) as kafka:
        yield kafka
        kafka.signal(signal.SIGCONT)


@pytest.mark.integration
async def test_no_command_that_was_published_is_said_not_to_be(
    kafka: EmbeddedKafka, tables: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "REPLY_WITHIN", 2.0)  # no worker runs
    await topics.ensure(kafka.bootstrap, TOPICS, PARTITIONS)
    async with serving(Addresses(kafka.bootstrap, tables.database)) as client:
        said: dict[str, tuple[int, str]] = {}

        async def post(key: str) -> int:
            answer = await client.post(
                RETURN, json={"account_id": facts.ACCOUNT}, headers={"Idempotency-Key": key}, timeout=30
            )
            said[key] = (answer.status_code, answer.headers.get("location", ""))
            return answer.status_code

        async def taken() -> bool:
            return await post(f"try-{len(said)}") == 202

        await until(taken, within=30)
        kafka.signal(signal.SIGSTOP)
        assert await asyncio.gather(*(post(f"frozen-{one}") for one in range(16))) == [202] * 16

        async def turned_away() -> bool:
            return await post(f"late-{len(said)}") == 503

        await until(turned_away, within=40)  # the producer was given up, and no other can be started
        kafka.signal(signal.SIGCONT)
        await until(taken, within=40)
        published = {headers(record)["ce_id"] for record in await everything(kafka.bootstrap, Channel.CUSTOMER.value)}
    assert {location for status, location in said.values() if status == 202} == {f"/invoices/{facts.NUMBER}/status"}
    assert {status for status, _ in said.values()} == {202, 503}
    assert published & {key for key, (status, _) in said.items() if status == 503} == set()
    assert len(published) > 2


def reply(number: int, command_id: str = "somebody's", size: int = MIB) -> Any:
    value = b'{"message":"%s"}' % (b"x" * size)
    return SimpleNamespace(
        headers=[("ce_id", b"reply-%d" % number), ("ce_causationid", command_id.encode())], value=value
    )


def kept(publisher: CommandPublisher, replies: int, command_id: str = "somebody's") -> int:
    """Return the bytes that hearing so many replies of 1 MiB leaves behind."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(replies):
            publisher._take(reply(number, command_id))
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


async def test_replies_that_nobody_waits_for_are_not_kept() -> None:
    assert kept(CommandPublisher("127.0.0.1:1"), replies=64) < MIB


async def test_of_replies_under_the_id_of_a_command_that_waits_only_a_few_are_kept() -> None:
    publisher = CommandPublisher("127.0.0.1:1")
    publisher.tail.reading.set()
    handed = asyncio.Event()
    place = asyncio.get_running_loop().create_future()

    class Producers:
        async def hand_over(self, *_: Any) -> Any:
            handed.set()
            return place

    publisher._producers = Producers()  # type: ignore[assignment]
    asked = asyncio.create_task(publisher.publish("t", "mine", b"", b"", []))
    await handed.wait()
    publisher._take(_named("t-0-7", "mine"))
    assert kept(publisher, replies=64, command_id="mine") <= publishing.EARLY_BYTES
    place.set_result(SimpleNamespace(topic="t", partition=0, offset=7))
    assert await asked == {"mine": True}
    assert publisher._waiting == {}


def _named(reply_id: str, command_id: str) -> Any:
    return SimpleNamespace(
        headers=[("ce_id", reply_id.encode()), ("ce_causationid", command_id.encode())], value=b'{"mine":true}'
    )
