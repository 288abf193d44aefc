"""With sealing on, no text of an invoice is anywhere in clear but in its commands.

Who may see it sees it until it is erased, and everything else continues.
"""

import asyncio
import json
import os
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio
from aiokafka import TopicPartition

from events.invoice_events import InvoiceIssued, PersonalDataErased
from events.topics import TOPICS, Channel
from library.opening import Opener
from local import ports
from local.postgres_server import BIN
from tests.end_to_end.support.client import connected
from tests.end_to_end.support.shared import Shared
from tests.faults.support.roles import PROGRAM, Roles
from tests.service.support import orders
from tests.support import servers as real
from tests.support.fresh_system import fresh
from tests.support.patience import patiently
from tests.support.waiting import WITHIN, until
from transport.addresses import Addresses
from transport.clients.kafka import topic_reader
from transport.records import Undecodable
from transport.topics import partition_counts

MARK = "zhangsan-q7zk"
"""In every text that is sealed."""
BUYER, SELLER = f"张三 {MARK} buys", f"李四 {MARK} sells"
REMARKS, DESCRIPTION = f"{MARK} lives there", f"server of {MARK}"
URL = f"https://files.example/{MARK}.pdf"
ASKED, ASKER, AGAIN = f"as {MARK} asked", f"{MARK}@example.com", f"again for {MARK}"
MALFORMED = f"{MARK} in a field that there is not"
NUMBER, OTHER = "26990000000000000001", "26990000000000000002"
_WAL_FILES = 4
"""Of 16 MiB each: the test writes far less."""
ROLES = ("worker", "relay", "projector", "clock", "tax-simulator", "api")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(servers: Addresses, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shared]:
    """Run a whole system with sealing, whose invoices may be erased at once."""
    logs = tmp_path_factory.mktemp("roles")
    (port,) = ports.free(1)
    settings = {
        "REDLETTER_SEALING": "on",
        "REDLETTER_SEALING_KEY": b64encode(b"outside key of these tests, 32 b").decode(),
        "REDLETTER_RETENTION_YEARS": "0",
        "REDLETTER_API_PORT": str(port),
    }
    async with fresh(servers, template) as own:
        roles = Roles(own, logs, settings)
        roles.start(*ROLES)
        try:
            transport = httpx.AsyncHTTPTransport(retries=8)
            http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, transport=transport)
            async with http, connected(own.kafka) as billing:
                yield Shared(own, roles, http, billing)
        finally:
            roles.leave()


def issued(number: str, charge: str) -> Any:
    """Register an invoice, every text of which is a secret."""
    return orders.register(
        number,
        kind="general",
        seller={"name": SELLER, "tax_id": "91330100000000000X"},
        buyer={"name": BUYER},
        charges=[orders.charge(charge).but(description=DESCRIPTION)],
        net_amount="100.00",
        tax_amount="6.00",
        total_amount="106.00",
        remarks=REMARKS,
        documents=[{"format": "pdf", "url": URL}],
    )


async def shown(system: Shared, path: str) -> str:
    answer = await system.http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


async def returned(system: Shared, number: str) -> None:
    async def is_so() -> bool:
        answer = await system.http.get(f"/invoices/{number}/status")
        return answer.status_code == 200 and answer.json()["status"]["code"] == "returned"

    await until(is_so, lambda: f"{number} is not returned")


def run(system: Shared, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as an operator."""
    environment = system.roles.environment_of("operator")
    call = partial(subprocess.run, env=environment, capture_output=True, text=True, timeout=300, check=False)
    return patiently(lambda: call([PROGRAM, *command]))


async def records(kafka: str, topics: Sequence[str]) -> Sequence[bytes]:
    """Return all that is in topics: keys, values and headers."""
    counts = await partition_counts(kafka, topics)
    partitions = [TopicPartition(topic, number) for topic in topics for number in range(counts[topic] or 0)]
    found: list[bytes] = []
    async with topic_reader(kafka, "tests") as consumer:
        ends = await consumer.end_offsets(partitions)
        left = {one for one, end in ends.items() if end}
        consumer.assign(list(left))
        for one in left:
            consumer.seek(one, 0)
        while left:
            for some in (await consumer.getmany(timeout_ms=200)).values():
                for record in some:
                    assert not isinstance(record, Undecodable)
                    found += [record.key or b"", record.value or b"", *(value or b"" for _, value in record.headers)]
            left = {one for one in left if await consumer.position(one) < ends[one]}
    return found


def in_clear(where: str, content: bytes) -> list[str]:
    """Return where it is, if a text stands in it, be it as PostgreSQL writes bytes."""
    return [where] if MARK.encode() in content or MARK.encode().hex().encode() in content else []


@pytest.mark.asyncio(loop_scope="module")
async def test_whoever_may_see_an_invoice_sees_its_texts_until_it_is_erased(system: Shared) -> None:
    await play(system)
    texts = {
        f"/invoices/{NUMBER}": (BUYER, SELLER, REMARKS, DESCRIPTION, URL, ASKED, ASKER, AGAIN),
        f"/invoices/{NUMBER}/history": (BUYER, SELLER, REMARKS, DESCRIPTION, URL, ASKED, ASKER, AGAIN),
        f"/invoices/{NUMBER}?as_of=2999-01-01T00:00:00Z": (BUYER, ASKED, AGAIN),
        f"/invoices?q={NUMBER}": (BUYER, URL),
    }
    for path, expected in texts.items():
        body = json.dumps(json.loads(await shown(system, path)), ensure_ascii=False)
        assert [text for text in expected if text not in body] == [], path
        assert "sealed" not in body, path
    for path in (f"/details/{NUMBER}", f"/?q={NUMBER}"):
        assert BUYER in (await shown(system, path))
    sheet = await system.http.get(f"/invoices?q={NUMBER}", headers={"Accept": "text/csv"})
    assert BUYER in sheet.text
    await opened_by_a_consumer(system)
    await erased(system)
    await nothing_is_left(system)
    await everything_else_continues(system)


async def play(system: Shared) -> None:
    """Register an invoice, let it be returned, and ask for a new one; send a malformed command about it."""
    billing = system.billing
    assert (await billing.submit(issued(NUMBER, "c-1"))).answer == "InvoiceIssued"
    assert (await billing.submit(issued(OTHER, "c-2"))).answer == "InvoiceIssued"
    asked = orders.ask_simply(NUMBER, remarks=ASKED, requested_by=ASKER)
    assert (await billing.submit(asked)).answer == "ReturnRequested"
    await returned(system, NUMBER)
    last = await billing.submit(orders.reissue("c-1", number=NUMBER, remarks=AGAIN))
    assert last.answer == "ReissueRequested"
    body = json.dumps({"invoice_number": NUMBER, "account_id": orders.ACCOUNT, "more": MALFORMED}).encode()
    headers = [("ce_specversion", b"1.0"), ("ce_id", b"wrong"), ("ce_source", b"urn:tests")]
    headers.append(("ce_type", b"redletter.invoice.RequestReturn.v1"))
    await billing.producer.send_and_wait(Channel.CUSTOMER.value, body, key=NUMBER.encode(), headers=headers)
    await billing.until(lambda: "wrong" in billing.replies, "the reply to a malformed command")

    async def all_is_read() -> bool:
        listed = (await system.http.get(f"/invoices?q={NUMBER}")).json()["items"]
        asked = {"min_version": version}
        answers = [await system.http.get(path, params=asked) for path in (details, f"{details}/history")]
        return bool(listed) and all(one.is_success for one in answers) and bool(letters(system))

    version, details = last.reply["invoice_version"], f"/invoices/{NUMBER}"
    await until(all_is_read)
    ((topic, partition, offset),) = letters(system)
    letter = await asyncio.to_thread(run, system, "dead-letters", "show", f"{topic}/{partition}/{offset}", "--json")
    assert MALFORMED in json.loads(letter.stdout)["record"]["value"]


def letters(system: Shared) -> Sequence[tuple[Any, ...]]:
    """Return the places of the records that became dead letters."""
    with psycopg.connect(system.addresses.database) as connection:
        return connection.execute("select topic, partition, record_offset from projections.dead_letters").fetchall()


def opener(system: Shared) -> Opener:
    return Opener(str(system.http.base_url), timeout=WITHIN)


async def opened_by_a_consumer(system: Shared) -> None:
    (event, *_) = system.billing.of(NUMBER)
    assert isinstance(event, InvoiceIssued)
    assert event.buyer.name == "[sealed]"
    opened = await asyncio.to_thread(opener(system).opened, event)
    assert (opened.buyer.name, opened.documents and opened.documents[0].url) == (BUYER, URL)
    unknown = await system.http.get("/invoices/26990000000000000009/key")
    foreign = await system.http.get(f"/invoices/{NUMBER}/key?account_id=another")
    assert (unknown.status_code, unknown.json()) == (404, foreign.json())
    key = await system.http.get(f"/invoices/{NUMBER}/key")
    assert (key.json()["kid"], key.headers["cache-control"]) == (NUMBER, "no-store")


def kept_key(system: Shared) -> bytes:
    """Return the key of the invoice as it is kept."""
    with psycopg.connect(system.addresses.database) as connection:
        query = "select wrapped from redletter.invoice_keys where invoice_number = %s"
        ((key,),) = connection.execute(query, [NUMBER]).fetchall()
    return key


def dumped(system: Shared) -> bytes:
    """Dump PostgreSQL; bytes are in it as hexadecimal digits."""
    return subprocess.run([BIN / "pg_dump", system.addresses.database], capture_output=True, check=True).stdout


async def erased(system: Shared) -> None:
    key = kept_key(system)
    assert key.hex().encode() in dumped(system)
    done = await asyncio.to_thread(run, system, "erase", NUMBER, "--reason", "asked for by the office")
    assert done.returncode == 0, done.stderr
    assert key.hex().encode() not in dumped(system)
    await erased_once(system, NUMBER)

    async def is_shown() -> bool:
        return "erased" in (await system.http.get(f"/invoices/{NUMBER}")).json()

    await until(is_shown)
    details = await system.http.get(f"/invoices/{NUMBER}")
    assert details.json()["erased"]["reason"] == "asked for by the office"
    assert not in_clear("details", details.content)
    no_key = await system.http.get(f"/invoices/{NUMBER}/key")
    assert (no_key.status_code, no_key.json()["code"]) == (404, "INVOICE_HAS_NO_KEY")
    (event, *_) = system.billing.of(NUMBER)
    assert await asyncio.to_thread(opener(system).opened, event) == event


async def erased_once(system: Shared, *numbers: str) -> None:
    """Wait until these erasures have been published, and show that nothing was erased but that, and nothing twice."""
    heard = system.billing.events.values
    await system.billing.until(
        lambda: {event.invoice_number for event in heard() if isinstance(event, PersonalDataErased)} == {*numbers},
        f"the erasures of {numbers}",
    )
    with psycopg.connect(system.addresses.database) as connection:
        query = "select originator_id from redletter.invoice_events where topic like '%PersonalDataErased%' order by 1"
        assert connection.execute(query).fetchall() == [(number,) for number in numbers]


async def nothing_is_left(system: Shared) -> None:
    """Look for the texts of both invoices: where one was never in clear, there is nothing to erase."""
    kafka, database = system.addresses.kafka, system.addresses.database
    left = in_clear("dump", dumped(system))
    commands = {channel.value for channel in Channel}
    for topic in {topic.name for topic in TOPICS} - commands:
        left += in_clear(topic, b"\0".join(await records(kafka, [topic])))
    assert in_clear("commands", b"\0".join(await records(kafka, sorted(commands)))), "they were in clear"
    for log in system.roles.logs.iterdir():
        left += in_clear(log.name, log.read_bytes())
    if real.choose().name == "embedded":
        left += await asyncio.to_thread(in_files, database, commands)
    assert left == []


def in_files(database: str, commands: set[str]) -> list[str]:
    """Look into the files of the embedded servers, once PostgreSQL has vacuumed and flushed this database."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("vacuum full")
        connection.execute("checkpoint")
        ((oid,),) = connection.execute("select oid from pg_database where datname = current_database()").fetchall()
        ((data,),) = connection.execute("show data_directory").fetchall()
    kafka = Path(data).parents[1] / "kafka" / "log"
    logs = [Path(folder, file) for folder, _, files in os.walk(kafka) for file in files if file.endswith(".log")]
    kept = [log for log in logs if not is_deleted(log) and log.parent.name.rpartition("-")[0] not in commands]
    assert any(log.parent.name.startswith("invoice.events-") for log in kept)
    newest = sorted((Path(data) / "pg_wal").glob("0*"), key=changed_at)[-_WAL_FILES:]
    files = [*(Path(data) / "base" / str(oid)).iterdir(), *newest, *kept]
    return [one for file in files for one in in_clear(str(file), content_of(file))]


def is_deleted(log: Path) -> bool:
    """Return whether Kafka is about to remove a topic's file, as it does a minute after the topic was deleted."""
    return log.parent.name.endswith("-delete")


def changed_at(file: Path) -> float:
    """Return when a file was changed; long ago if the running server has just removed it."""
    with suppress(FileNotFoundError):
        return file.stat().st_mtime
    return 0.0


def content_of(file: Path) -> bytes:
    """Return what is in a file; nothing if the running server has just removed it."""
    with suppress(FileNotFoundError):
        return file.read_bytes()
    return b""


async def everything_else_continues(system: Shared) -> None:
    refused = await system.billing.submit(orders.ask_simply(NUMBER))
    assert refused.answer == "INVOICE_ERASED"
    assert "erased" in refused.reply["message"]
    for command in (
        ("projections", "rebuild", "details"),
        ("projections", "verify", "details"),
        ("why", NUMBER),
    ):
        done = await asyncio.to_thread(run, system, *command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert (await system.billing.submit(orders.ask_simply(OTHER, remarks=ASKED))).answer == "ReturnRequested"
    await returned(system, OTHER)
    reissued = await system.billing.submit(orders.reissue("c-2", number=OTHER))
    (event,) = reissued.events
    opened: Any = await asyncio.to_thread(opener(system).opened, event)
    assert opened.buyer.name == BUYER, "inherited"
    every = await asyncio.to_thread(run, system, "erase", "--account", orders.ACCOUNT, "--reason", "over")
    assert every.returncode == 0, every.stderr
    await erased_once(system, NUMBER, OTHER)
