"""The clock as a process: watch the events, send what is due."""

import asyncio
from datetime import UTC, datetime, timedelta

from events.names import CLOCK_GROUP
from events.topics import EVENTS_TOPIC
from rules.calendar import MainlandChina
from service.clock.sending import Sender
from service.clock.watching import Watching
from transport import consumer
from transport.addresses import Addresses
from transport.producer import FencedProducers


async def run(
    addresses: Addresses,
    *,
    clock_shift: timedelta,
    calendar: MainlandChina,
    repeat: timedelta,
    repeat_max: timedelta,
) -> None:
    """Work until cancelled. Raises: ProgramTooOld, once the partitions have been left to others.

    calendar: what due dates go by; open returns that another one gave theirs are revised.
    repeat, repeat_max: the pause before a request that is not answered is sent again: first, and at the most.
    """

    def now() -> datetime:
        return datetime.now(UTC) + clock_shift

    producers = FencedProducers(addresses.kafka, CLOCK_GROUP)
    sender = Sender(
        addresses.database,
        producers,
        now=now,
        repeat=repeat,
        repeat_max=repeat_max,
    )
    loop = asyncio.get_running_loop()

    def wake() -> None:
        loop.call_soon_threadsafe(sender.wake)

    watching = Watching(addresses.database, calendar, wake, now=now, repeat_max=repeat_max)
    sending = asyncio.create_task(sender.run())
    try:
        await consumer.consume(
            addresses,
            group=CLOCK_GROUP,
            topics=[EVENTS_TOPIC],
            work=watching,
            found=watching.found,
            assigned=sender.own,
            revoked=sender.disown,
        )
    finally:
        sending.cancel()
        watching.close()
        await producers.close()
