"""Commands over HTTP while Kafka is frozen, and what the api keeps of replies."""

import asyncio
import tracemalloc
from types import SimpleNamespace
from typing import Any

from web.gateway import command_publisher
from web.gateway.command_publisher import CommandPublisher

MIB = 1 << 20


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
            publisher._take(reply(number, command_id))  # pyright: ignore[reportPrivateUsage] - as its tail does
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

    publisher._producers = Producers()  # type: ignore[assignment] - a stand-in
    asked = asyncio.create_task(publisher.publish("t", "mine", b"", b"", []))
    await handed.wait()
    publisher._take(_named("t-0-7", "mine"))  # pyright: ignore[reportPrivateUsage] - as its tail does
    assert kept(publisher, replies=64, command_id="mine") <= command_publisher.EARLY_BYTES
    place.set_result(SimpleNamespace(topic="t", partition=0, offset=7))
    assert await asked == {"mine": True}
    assert publisher._waiting == {}  # pyright: ignore[reportPrivateUsage] - memory is not seen from outside


def _named(reply_id: str, command_id: str) -> Any:
    return SimpleNamespace(
        headers=[("ce_id", reply_id.encode()), ("ce_causationid", command_id.encode())], value=b'{"mine":true}'
    )
