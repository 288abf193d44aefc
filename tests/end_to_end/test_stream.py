"""Changes pushed to those who listen: nothing missed by who comes back, and nobody slow holds up the rest."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest

from events.commands import AnyCommand
from tests.end_to_end.support.client import Client
from tests.service.support.orders import observe, register
from transport.records import ConsumerRecord
from web.live import hub as hubs

together = pytest.mark.asyncio(loop_scope="module")

WITHIN = 60.0
MANY = 500


class Event(NamedTuple):
    """A server-sent event."""

    type: str
    id: str
    data: str


class Listener:
    """One open stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()
        self.last_id = ""

    async def next(self, type_: str = "status") -> Event:
        """Return the next event of a type, within a bound."""
        async with asyncio.timeout(WITHIN):
            fields: dict[str, str] = {}
            async for line in self._lines:
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                    continue
                self.last_id = fields.get("id", self.last_id)
                if fields.get("event") == type_:
                    return Event(type_, self.last_id, fields["data"])
                fields = {}
        raise AssertionError("the stream ended")

    async def version(self) -> tuple[str, int]:
        """Return number and version of the next document."""
        document = json.loads((await self.next()).data)
        return document["invoice_number"], document["version"]


@asynccontextmanager
async def listening(http: httpx.AsyncClient, last_id: str | None = None, **params: str) -> AsyncGenerator[Listener]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with http.stream("GET", "/stream", params=params, headers=headers) as answer:
        assert answer.status_code == httpx.codes.OK
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Listener(answer)


def new(number: str, account: str = "account-1") -> AnyCommand:
    return register(number, charges=[f"charge of {number}"], account_id=account)


@together
async def test_documents_are_pushed_as_they_change_to_those_they_concern(
    http: httpx.AsyncClient, billing: Client, numbers: Iterator[str]
) -> None:
    first, second = islice(numbers, 2)
    async with listening(http) as everybody, listening(http, account_id="account-2") as other:
        await billing.submit(new(first))
        assert await everybody.version() == (first, 1)
        await billing.submit(observe(number=first))
        assert await everybody.version() == (first, 2)
        await billing.submit(new(second, "account-2"))
        assert await everybody.version() == (second, 1)
        assert await other.version() == (second, 1)


@together
async def test_who_comes_back_misses_nothing_and_hears_nothing_twice(
    http: httpx.AsyncClient, billing: Client, numbers: Iterator[str]
) -> None:
    """Invoices are spread over the partitions, so that the order between them is anything."""
    early, late = list(islice(numbers, 8)), list(islice(numbers, 8))
    async with listening(http) as before:
        for number in early:
            await billing.submit(new(number))
        heard = {await before.version() for _ in range(4)}
    for number in late:
        await billing.submit(new(number))
    async with listening(http, last_id=before.last_id) as after:
        missed = [await after.version() for _ in range(12)]
    assert heard.isdisjoint(missed)
    assert heard | set(missed) == {(number, 1) for number in early + late}


@together
async def test_a_client_that_resumes_with_an_unusable_id_is_told_to_read_everything_again(
    http: httpx.AsyncClient, billing: Client, number: str
) -> None:
    async with listening(http) as before:
        await billing.submit(new(number))
        assert await before.version() == (number, 1)
    async with listening(http, last_id="nonsense") as lost:
        await lost.next("reset")


def test_what_was_forgotten_is_not_taken_for_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes back with an id that is too old must read everything again, as with an id that was never given."""
    monkeypatch.setattr(hubs, "KEPT_BYTES", 2 * (hubs.KEPT_OVERHEAD_BYTES + 50))
    hub = hubs.Hub("127.0.0.1:1")
    for offset in range(4):
        hub._take(_record(offset))  # pyright: ignore[reportPrivateUsage] - as its tail does
    assert not hub.knows_all_since("0.1")
    assert hub.knows_all_since("0.2")


def _record(offset: int) -> ConsumerRecord:
    value = json.dumps({"account_id": "a"}).encode()
    return ConsumerRecord("invoice.status", 0, offset, 0, 0, b"k", value, None, 1, len(value), ())


async def test_a_client_that_does_not_read_is_dropped_and_holds_up_nobody() -> None:
    hub = hubs.Hub("127.0.0.1:1")
    slow, quick = hub.join(None, None, "192.0.2.1"), hub.join(None, None, "192.0.2.1")
    for offset in range(hubs.MAX_WAITING + 1):
        hub._take(_record(offset))  # pyright: ignore[reportPrivateUsage] - as its tail does
        assert (await quick.changes.get()) is not None
    assert slow.dropped
    assert not quick.dropped
    assert slow.changes.qsize() == 1, "what it did not read is forgotten"


@together
async def test_hundreds_listen_at_once(http: httpx.AsyncClient, billing: Client, number: str) -> None:
    await http.get("/livez")  # it is there
    address = urlsplit(str(http.base_url))
    readers: list[asyncio.StreamReader] = []
    async with AsyncExitStack() as stack:
        for _ in range(MANY):
            reader, writer = await asyncio.open_connection(address.hostname, address.port, family=socket.AF_INET)
            stack.callback(writer.close)
            writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            readers.append(reader)
        async with asyncio.timeout(WITHIN):
            for reader in readers:
                await reader.readuntil(b": listening")
        await billing.submit(new(number))
        async with asyncio.timeout(WITHIN):
            heard = await asyncio.gather(*(reader.readuntil(b"event: status") for reader in readers))
    assert len(heard) == MANY
