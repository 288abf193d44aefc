"""Whatever program publishes, with whatever codec and partitioner: everything is answered, and nobody else waits."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest
from confluent_kafka import Producer

from events import cloudevents
from events.catalogue import json_of, name_of
from events.commands import AnyCommand
from events.topics import EVENTS_TOPIC, REPLIES_TOPIC, STATUS_TOPIC, Channel
from tests.end_to_end.support.client import connected
from tests.end_to_end.support.system import system
from tests.end_to_end.support.terminal import User
from tests.service.support.orders import NUMBER, ask_simply, register
from tests.support.kafka_codecs import CODECS, compress
from transport.addresses import Addresses


def published(addresses: Addresses, codec: str, commands: Sequence[tuple[str, AnyCommand]]) -> list[str]:
    """Publish commands with librdkafka, which has partitions of its own for keys; return their ids."""
    producer = Producer({"bootstrap.servers": addresses.kafka, "compression.type": codec})
    ids = [str(uuid4()) for _ in commands]
    for id_, (topic, command) in zip(ids, commands, strict=True):
        headers = cloudevents.headers(
            id=id_,
            source="urn:tests:librdkafka",
            name=name_of(type(command)),
            subject=command.invoice_number,
            time=datetime.now(UTC),
            correlation=id_,
            causation=None,
        )
        producer.produce(topic, json_of(command), command.invoice_number.encode(), headers=list(headers))
    assert producer.flush(60) == 0
    return ids


def number(count: int) -> str:
    return f"26{count:018}"


async def test_every_codec_on_every_topic_is_answered_and_so_are_all_others(
    addresses: Addresses, tmp_path: Path
) -> None:
    """Commands on a topic that is not theirs are refused, which is an answer."""
    async with system(addresses, tmp_path, "worker", "relay", "api"), connected(addresses.kafka) as client:
        ids: list[str] = []
        for place, codec in enumerate(CODECS):
            foreign = [(channel.value, register(number(1000 + place), charges=[f"f{place}"])) for channel in Channel]
            ids += await asyncio.to_thread(published, addresses, codec, foreign)
            good = [
                (Channel.BILLING.value, register(number(place * 50 + one), charges=[f"g{place}-{one}"]))
                for one in range(50)
            ]
            ids += await asyncio.to_thread(published, addresses, "none", good)
        for id_ in ids:
            await client.answered(id_)


async def test_events_that_the_broker_compresses_reach_every_read_model(addresses: Addresses, tmp_path: Path) -> None:
    await compress(addresses, EVENTS_TOPIC, "zstd")
    roles = ("worker", "relay", "projector", "clock", "api")
    async with system(addresses, tmp_path, *roles) as (_, http), connected(addresses.kafka) as client:
        await client.submit(register(kind="general"))
        answered = await client.submit(ask_simply())
        answer = await http.get(
            f"/invoices/{NUMBER}", params={"min_version": answered.reply["invoice_version"], "wait": 30}
        )
        assert answer.status_code == 200
        await client.until(lambda: timers(addresses) > 0, "a timer of the clock")


def timers(addresses: Addresses) -> int:
    with psycopg.connect(addresses.database) as connection:
        (count,) = connection.execute("select count(*) from redletter.timers").fetchone() or (0,)
    return int(count)


async def test_foreign_records_on_the_api_s_topics_end_no_tail(addresses: Addresses, tmp_path: Path) -> None:
    async with system(addresses, tmp_path, "worker", "relay", "projector", "api") as (_, http):
        async with connected(addresses.kafka) as client:
            await client.submit(register(kind="general"))
            await heard(http, "before")
        await asyncio.to_thread(foreign, addresses)
        await heard(http, "after")


def foreign(addresses: Addresses) -> None:
    producer = Producer({"bootstrap.servers": addresses.kafka})
    for topic in (REPLIES_TOPIC, STATUS_TOPIC):
        for partition in range(8):
            for value in (b"no JSON", b'{"account_id": 1}', b"[]", b"[" * 100_000, b"\xff"):
                producer.produce(topic, value, b"foreign", partition=partition)
    assert producer.flush(60) == 0


async def heard(http: httpx.AsyncClient, key: str) -> None:
    """Ask for a return over HTTP; a refusal is an answer too, and comes over the tail of replies."""
    answer = await http.post(
        f"/invoices/{NUMBER}/return", json={"account_id": "acme"}, headers={"Idempotency-Key": key}
    )
    assert answer.status_code in {200, 404, 409}, answer.text


@pytest.fixture
def user(addresses: Addresses) -> User:
    return User({"REDLETTER_KAFKA_BOOTSTRAP_SERVERS": addresses.kafka, "REDLETTER_DATABASE_URL": addresses.database})


async def test_why_finds_commands_in_any_partition_and_survives_what_lies_there(
    addresses: Addresses, user: User
) -> None:
    await asyncio.to_thread(published, addresses, "snappy", [(Channel.BILLING.value, register())])
    deep = Producer({"bootstrap.servers": addresses.kafka})
    deep.produce(Channel.BILLING.value, b'{"a":' + b"[" * 100_000, NUMBER.encode(), partition=0)
    assert deep.flush(60) == 0
    code, out, err = await user.run("why", NUMBER, "--json")
    assert code == 0, err
    assert sorted(json.loads(line)["source"] for line in out.splitlines()) == ["", "urn:tests:librdkafka"]


async def test_positions_are_shown_and_set(addresses: Addresses, user: User, tmp_path: Path) -> None:
    place = ("redletter.worker", Channel.BILLING.value, "3")
    async with system(addresses, tmp_path, "worker", "relay", "api"), connected(addresses.kafka) as client:
        await client.submit(register())
    code, out, err = await user.run("positions", "show", "--json")
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 8 * len(Channel)
    assert all(row["unread"] is None and row["log_start"] == row["gone"] == 0 for row in rows)
    code, out, _ = await user.run("positions", "show")
    assert (code, len(out.splitlines())) == (0, 1 + 8 * len(Channel))
    assert (await user.run("positions", "reset", *place, "--to", "99"))[0] == 1
    assert (await user.run("positions", "reset", *place, "--to", "there"))[0] == 2
    assert (await user.run("positions", "reset", "nobody", *place[1:], "--to", "end"))[0] == 1
    code, _, err = await user.run("positions", "reset", *place, "--to", "beginning", "--yes")
    assert (code, "redletter.worker in invoice.commands.billing[3]: from" in err) == (0, True), err
