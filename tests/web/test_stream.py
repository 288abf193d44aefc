"""What the stream keeps and whom it serves, without servers."""

import asyncio
import json
import time
import tracemalloc
from types import SimpleNamespace
from typing import Any

import pytest

from web.http.problems import Problem
from web.live import event_ids, stream
from web.live import hub as hubs
from web.live.hub import Hub

KIB = 1 << 10


@pytest.fixture
def hub() -> Hub:
    return Hub("127.0.0.1:1")


def publish(hub: Hub, offset: int, size: int = 0, account: str = "a") -> None:
    value = json.dumps({"account_id": account, "number": offset, "detail": "x" * size}).encode()
    record: Any = SimpleNamespace(partition=0, offset=offset, value=value)
    hub._take(record)  # pyright: ignore[reportPrivateUsage] - as its tail does


def listen(hub: Hub, address: str = "192.0.2.1", last_id: str | None = None) -> Any:
    return hub.join(None, last_id, address)


async def heard(hub: Hub, client: Any, changes: int) -> list[int]:
    """Return the numbers of what a client is sent."""
    found: list[int] = []
    async with asyncio.timeout(60):
        async for change in hub.changes(client):
            found.append(json.loads(change.document)["number"])
            if len(found) == changes:
                break
    return found


async def test_documents_are_kept_up_to_a_bound_in_bytes(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "KEPT_BYTES", 1024 * KIB, raising=False)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for offset in range(1000):
            publish(hub, offset, size=64 * KIB)
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept < 1200 * KIB


async def test_slow_clients_hold_no_documents(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "KEPT_BYTES", 1024 * KIB)
    slow = listen(hub)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for offset in range(500):
            publish(hub, offset, size=64 * KIB)
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept < 1200 * KIB
    assert await heard(hub, slow, changes=1) == []  # it is sent away, and comes back with the id it has


async def test_a_client_that_comes_back_hears_what_it_missed_or_that_it_missed_too_much(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "KEPT_BYTES", 1024 * KIB)
    publish(hub, 0)
    here = hub.here
    publish(hub, 1)
    assert await heard(hub, listen(hub, last_id=here), changes=1) == [1]
    for offset in range(2, 50):
        publish(hub, offset, size=64 * KIB)
    assert listen(hub, last_id=here).lost
    assert await heard(hub, listen(hub, last_id="0.49"), changes=1) == [49]


async def test_one_address_cannot_take_the_places_of_all(hub: Hub) -> None:
    listeners = [listen(hub) for _ in range(hubs.MAX_CLIENTS_OF_ONE_PARTY)]
    with pytest.raises(Problem) as refused:
        listen(hub)
    assert refused.value.code == "TOO_MANY_LISTENERS"
    listen(hub, address="192.0.2.2")
    hub.leave(listeners[0])
    listen(hub)


async def test_a_client_that_is_gone_before_the_first_event_leaves_its_place(hub: Hub) -> None:
    client = listen(hub)
    scope: Any = {"type": "http", "method": "GET"}

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        await asyncio.Event().wait()

    async with asyncio.timeout(60):
        await stream._Stream(hub, client, None, None)(scope, gone, send)  # pyright: ignore[reportPrivateUsage] - one whose caller is gone
    assert hub._clients == set()  # pyright: ignore[reportPrivateUsage] - memory is not seen from outside


@pytest.mark.parametrize("foreign", [b"{}x", b"\xff", b"[]", b"{}", b"1", b"[" * 100_000])
async def test_a_record_that_is_not_a_status_document_is_skipped(hub: Hub, foreign: bytes) -> None:
    listener = listen(hub)
    record: Any = SimpleNamespace(partition=0, offset=0, value=foreign)
    hub._take(record)  # pyright: ignore[reportPrivateUsage] - as its tail does
    publish(hub, 1)
    assert await heard(hub, listener, changes=1) == [1]


async def test_a_client_hears_of_its_own_accounts_alone_and_misses_nothing_of_them(hub: Hub) -> None:
    hub._since = {0: 0}  # pyright: ignore[reportPrivateUsage] - as its tail does when it begins
    client, nobody = hub.join(frozenset({"a", "c"}), None, "portal"), hub.join(frozenset(), None, "portal")
    for offset, account in enumerate("abcbac"):
        publish(hub, offset, account=account)
    assert await heard(hub, client, changes=4) == [0, 2, 4, 5]
    assert nobody.changes.empty()
    back = hub.join(frozenset({"c"}), event_ids.write({0: 1}), "portal")
    assert await heard(hub, back, changes=2) == [2, 5]


async def test_a_stream_ends_when_the_token_expires(hub: Hub) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope: Any = {"type": "http", "method": "GET"}
    async with asyncio.timeout(60):
        await stream._Stream(hub, listen(hub), None, time.time() + 0.2)(scope, receive, send)  # pyright: ignore[reportPrivateUsage] - one with a token
    assert (sent[-1]["type"], sent[-1]["more_body"]) == ("http.response.body", False)
    assert hub._clients == set()  # pyright: ignore[reportPrivateUsage] - memory is not seen from outside
