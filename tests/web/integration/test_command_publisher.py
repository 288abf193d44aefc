"""Commands over HTTP while Kafka is frozen, and what the api keeps of replies."""

import asyncio
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.topics import TOPICS, Channel
from local.kafka_server import EmbeddedKafka, embedded_kafka
from tests.faults.support.evidence import everything, headers
from tests.projections.support import facts
from tests.support.fresh_system import PARTITIONS
from tests.support.waiting import until
from tests.web.support.serving import serving
from transport import topics
from transport.addresses import Addresses
from web.gateway import command_publisher

RETURN = f"/invoices/{facts.NUMBER}/return"


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    """Start a broker of this test's own, since it is frozen."""
    with tempfile.TemporaryDirectory(prefix="redletter-tests-") as folder, embedded_kafka(Path(folder)) as kafka:
        yield kafka
        kafka.signal(signal.SIGCONT)


async def test_no_command_that_was_published_is_said_not_to_be(
    kafka: EmbeddedKafka, tables: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_publisher, "REPLY_WITHIN", 2.0)  # no worker runs
    await topics.ensure(kafka.bootstrap, TOPICS, PARTITIONS)
    async with serving(Addresses(kafka.bootstrap, tables.database)) as client:
        said: dict[str, tuple[int, str]] = {}

        async def post(key: str) -> int:
            answer = await client.post(
                RETURN, json={"account_id": facts.ACCOUNT}, headers={"Idempotency-Key": key}, timeout=60
            )
            said[key] = (answer.status_code, answer.headers.get("location", ""))
            return answer.status_code

        async def taken() -> bool:
            return await post(f"try-{len(said)}") == 202

        await until(taken)
        kafka.signal(signal.SIGSTOP)
        assert await asyncio.gather(*(post(f"frozen-{one}") for one in range(16))) == [202] * 16

        async def turned_away() -> bool:
            return await post(f"late-{len(said)}") == 503

        await until(turned_away)  # the producer was given up, and no other can be started
        kafka.signal(signal.SIGCONT)
        await until(taken)
        published = {headers(record)["ce_id"] for record in await everything(kafka.bootstrap, Channel.CUSTOMER.value)}
    assert {location for status, location in said.values() if status == 202} == {f"/invoices/{facts.NUMBER}/status"}
    assert {status for status, _ in said.values()} == {202, 503}
    assert published & {key for key, (status, _) in said.items() if status == 503} == set()
    assert len(published) > 2
