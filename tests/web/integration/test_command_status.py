"""What the api says of a command: its first reply, that none has come yet, or that there is no such command."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from projections.replies.queries import CommandKey
from tests.projections.support import replied
from tests.projections.support.replied import BILLING, CUSTOMER, notice, reply
from tests.web.support.serving import problem, serving
from transport.addresses import Addresses
from web.gateway import unanswered
from web.gateway.commands import monitor_address, source_of
from web.gateway.unanswered import Unanswered
from web.http.reading import Reader, pool_of

NOWHERE = "127.0.0.1:1"
ACME, OTHER = source_of("acme"), source_of("other")
PORTAL = "urn:portal"


@pytest.fixture
async def producer(addresses: Addresses) -> AsyncIterator[AIOKafkaProducer]:
    writer: Any = AIOKafkaProducer(bootstrap_servers=addresses.kafka, acks="all")
    async with writer as producer:
        yield producer


@pytest.fixture
async def client(addresses: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(addresses) as client:
        yield client


async def publish(
    producer: AIOKafkaProducer, command_id: str, source: str = ACME, topic: str = CUSTOMER
) -> tuple[str, int, int]:
    """Publish what has an id and a source; nothing else of a command is looked at. Return its place."""
    headers = [("ce_id", command_id.encode()), ("ce_source", source.encode())]
    place = await producer.send_and_wait(topic, b"{}", partition=0, headers=headers)
    return place.topic, place.partition, place.offset


async def ask(client: httpx.AsyncClient, command_id: str = "c1", **query: str) -> httpx.Response:
    return await client.get(f"/commands/{command_id}", params=query, timeout=60)


async def said(client: httpx.AsyncClient, command_id: str = "c1", **query: str) -> tuple[int, str]:
    """Return the status, and what a reply or a problem says."""
    answer = await ask(client, command_id, **query)
    body = answer.json()
    return answer.status_code, body.get("code") or body.get("status") or body["said"]


UNKNOWN = (404, "COMMAND_UNKNOWN")
UNDERWAY = (202, "published")


async def test_a_command_is_underway_until_its_reply_is_there(
    client: httpx.AsyncClient, producer: AIOKafkaProducer, addresses: Addresses
) -> None:
    assert problem(await ask(client)) == UNKNOWN
    place = await publish(producer, "c1")
    waiting = await ask(client)
    assert (waiting.status_code, waiting.headers["retry-after"]) == (202, "1")
    assert waiting.json() == {"status": "published", "command_id": "c1", "monitor": "/commands/c1"}
    one = reply(to=place, command_source=ACME)
    await asyncio.to_thread(replied.project, addresses, [one])
    answer = await ask(client)
    assert (answer.status_code, answer.content) == (200, one.value)
    assert answer.headers["content-type"] == "application/json"
    known = await client.get("/commands/c1", headers={"If-None-Match": answer.headers["etag"]})
    assert known.status_code == 304


async def test_a_reply_to_a_later_command_does_not_hide_the_ones_that_wait(
    client: httpx.AsyncClient, producer: AIOKafkaProducer, addresses: Addresses
) -> None:
    places = [await publish(producer, f"c{one}") for one in range(4)]
    await asyncio.to_thread(replied.project, addresses, [reply(to=places[1], command_id="c1", command_source=ACME)])
    assert [(await said(client, f"c{one}"))[0] for one in range(4)] == [404, 200, 202, 202]


async def test_a_reply_that_comes_while_it_is_looked_for_is_shown(
    client: httpx.AsyncClient, addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answered_meanwhile(*_: object) -> bool:
        await asyncio.to_thread(replied.project, addresses, [reply(command_source=ACME, said="just now")])
        return False

    monkeypatch.setattr(Unanswered, "holds", answered_meanwhile)
    assert await said(client) == (200, "just now")


async def test_a_parked_command_is_underway_though_later_ones_have_replies(
    client: httpx.AsyncClient, producer: AIOKafkaProducer, addresses: Addresses
) -> None:
    first, second = await publish(producer, "c1"), await publish(producer, "c2")
    parked = notice(first, command_source=ACME)
    await producer.send_and_wait(parked.topic, parked.value, partition=0, headers=list(parked.headers))
    await asyncio.to_thread(replied.project, addresses, [reply(to=second, command_id="c2", command_source=ACME)])
    assert await said(client) == UNDERWAY  # the read model has not read the notice yet
    await asyncio.to_thread(replied.project, addresses, [parked])
    assert await said(client) == UNDERWAY
    await asyncio.to_thread(replied.project, addresses, [reply(to=first, command_source=ACME, said="released")])
    assert await said(client) == (200, "released")


async def test_an_account_is_shown_its_own_command_alone(
    client: httpx.AsyncClient, producer: AIOKafkaProducer, addresses: Addresses
) -> None:
    mine, theirs = await publish(producer, "c1", ACME), await publish(producer, "c1", OTHER)
    assert await said(client, account_id="third") == UNKNOWN
    assert await said(client, account_id="acme", source=OTHER) == UNKNOWN
    replies = [reply(to=mine, command_source=ACME, said="mine"), reply(to=theirs, command_source=OTHER, said="theirs")]
    await asyncio.to_thread(replied.project, addresses, replies[:1])
    assert await said(client, account_id="acme") == (200, "mine")
    assert await said(client, account_id="other") == UNDERWAY
    await asyncio.to_thread(replied.project, addresses, replies[1:])
    assert await said(client, account_id="other") == await said(client, source=OTHER) == (200, "theirs")
    assert await said(client) == (200, "mine")
    assert await said(client, account_id="third") == UNKNOWN
    strange = await ask(client, account_id="third")
    assert strange.content == (await ask(client, "no-such", account_id="third")).content


async def test_a_command_that_did_not_come_over_http_is_found_by_its_source_alone(
    client: httpx.AsyncClient, producer: AIOKafkaProducer, addresses: Addresses
) -> None:
    places = [await publish(producer, "c1", PORTAL, topic) for topic in (BILLING, CUSTOMER)]
    assert [await said(client), await said(client, source=PORTAL)] == [UNKNOWN, UNDERWAY]
    await asyncio.to_thread(replied.project, addresses, [reply(to=to, command_source=PORTAL) for to in places])
    assert await said(client) == UNKNOWN
    assert (await ask(client, source=PORTAL)).status_code == 200


async def test_nobody_can_answer_for_a_command_over_http_on_another_topic(
    client: httpx.AsyncClient, producer: AIOKafkaProducer, addresses: Addresses
) -> None:
    place = await publish(producer, "c1", ACME, BILLING)
    await asyncio.to_thread(replied.project, addresses, [reply(to=place, command_source=ACME)])
    assert [await said(client), await said(client, source=ACME), await said(client, account_id="acme")] == [UNKNOWN] * 3


async def test_commands_in_structured_mode_are_found(client: httpx.AsyncClient, producer: AIOKafkaProducer) -> None:
    event = {"specversion": "1.0", "id": "c1", "source": PORTAL, "type": "T", "data": {}}
    await producer.send_and_wait(CUSTOMER, json.dumps(event).encode())
    assert await said(client, source=PORTAL) == UNDERWAY


async def test_a_command_behind_an_open_transaction_is_underway(
    client: httpx.AsyncClient, producer: AIOKafkaProducer, addresses: Addresses
) -> None:
    foreign = AIOKafkaProducer(bootstrap_servers=addresses.kafka, transactional_id="foreign")
    await foreign.start()
    try:
        await foreign.begin_transaction()
        await foreign.send_and_wait(CUSTOMER, b"open", partition=0)
        await publish(producer, "c1")
        assert await said(client) == UNDERWAY
        await foreign.abort_transaction()
        assert await said(client) == UNDERWAY
    finally:
        await foreign.stop()


async def test_ids_are_found_whatever_characters_they_have(
    client: httpx.AsyncClient, producer: AIOKafkaProducer, addresses: Addresses
) -> None:
    command_id = 'a/b c?d#e%20"<>~'
    place = await publish(producer, command_id)
    address = monitor_address(command_id, ACME)
    assert (await client.get(address, timeout=60)).json()["monitor"] == address
    answered = reply(to=place, command_id=command_id, command_source=ACME)
    await asyncio.to_thread(replied.project, addresses, [answered])
    assert (await client.get(address)).status_code == 200


@pytest.mark.parametrize("command_id", ["", "%00", "%0a", "x" * 129])
async def test_what_can_be_no_id_is_unknown(tables: Addresses, command_id: str) -> None:
    async with serving(Addresses(NOWHERE, tables.database)) as client:
        assert problem(await client.get(f"/commands/{command_id}")) == UNKNOWN


@pytest.mark.parametrize(
    ("name", "value"), [("source", "a b"), ("source", "x" * 257), ("account_id", "x" * 65), ("sauce", "urn:s")]
)
async def test_a_bad_parameter_is_reported_by_name(tables: Addresses, name: str, value: str) -> None:
    async with serving(Addresses(NOWHERE, tables.database)) as client:
        answer = await ask(client, **{name: value})
        assert problem(answer) == (422, "MALFORMED_QUERY")
        assert [fault["field"] for fault in answer.json()["faults"]] == [name]


async def test_while_kafka_is_away_replies_are_shown_and_nothing_is_said_to_be_unknown(tables: Addresses) -> None:
    await asyncio.to_thread(replied.project, tables, [reply(command_source=ACME)])
    async with serving(Addresses(NOWHERE, tables.database)) as client:
        assert (await ask(client)).status_code == 200
        assert problem(await ask(client, "c2")) == (503, "READ_MODEL_UNAVAILABLE")


async def test_where_more_commands_wait_than_are_looked_at_none_is_said_to_be_unknown(
    client: httpx.AsyncClient, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unanswered, "MAX_LOOKED_AT", 2)
    for one in range(4):
        await publish(producer, f"c{one}")
    assert await said(client, "c0") == UNDERWAY
    assert await said(client, "c9") == (503, "READ_MODEL_UNAVAILABLE")


async def test_many_callers_share_a_look_at_the_topic(
    client: httpx.AsyncClient, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    counts = unanswered.partition_counts

    async def counting(*asked: Any) -> Any:
        nonlocal looks
        looks += 1
        return await counts(*asked)

    monkeypatch.setattr(unanswered, "partition_counts", counting)
    await publish(producer, "c1")
    assert await asyncio.gather(*(said(client) for _ in range(50))) == [UNDERWAY] * 50
    assert 1 <= looks <= 10


async def test_who_asks_while_others_look_is_not_answered_by_what_they_see(
    producer: AIOKafkaProducer, addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, published = asyncio.Event(), asyncio.Event()
    read = unanswered._read  # pyright: ignore[reportPrivateUsage] - to hold it up

    async def held_up(*asked: Any) -> Any:
        reading.set()
        await published.wait()
        return await read(*asked)

    monkeypatch.setattr(unanswered, "_read", held_up)
    async with pool_of(addresses.database) as pool:
        waiting = Unanswered(Reader(pool), addresses.kafka, [CUSTOMER])
        early = asyncio.create_task(waiting.holds(CommandKey("c1", frozenset({ACME}), [CUSTOMER])))
        await reading.wait()
        await publish(producer, "c1")
        late = asyncio.create_task(waiting.holds(CommandKey("c1", frozenset({ACME}), [CUSTOMER])))
        for _ in range(10):
            await asyncio.sleep(0)  # until it waits
        published.set()
        assert [await early, await late] == [False, True]


async def test_a_topic_that_was_recreated_is_looked_at_from_its_beginning(
    client: httpx.AsyncClient, producer: AIOKafkaProducer, addresses: Addresses
) -> None:
    before = (CUSTOMER, 0, 100)
    await asyncio.to_thread(replied.project, addresses, [reply(to=before, command_id="c0", command_source=ACME)])
    await publish(producer, "c1")
    assert await said(client) == UNDERWAY
