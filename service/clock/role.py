"""The clock as a process: watch the events, send what is due."""

import asyncio
from datetime import UTC, datetime, timedelta

from events.names import CLOCK_GROUP
from events.topics import EVENTS_TOPIC
from rules.calendar import MainlandChina
from service.clock.sending import sender_of
from service.clock.watching import SESSION_SETTINGS, Watching
from transport import consumer
from transport.addresses import Addresses
from transport.work import TransactionalWork

_MAX_BATCH_RECORDS = 2000
"""Records in one transaction; most ask for nothing."""
_TURN_SECONDS = 0.05
"""Least seconds from one transaction to the next; nobody waits for a timer as for an answer."""


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

    sender = sender_of(addresses, now=now, repeat=repeat, repeat_max=repeat_max)
    watching = Watching(calendar, now=now, repeat_max=repeat_max)
    work = TransactionalWork(
        addresses.database,
        consumer=CLOCK_GROUP,
        role="clock",
        apply=watching.apply,
        committed=sender.wake,
        **SESSION_SETTINGS,
    )
    sending = asyncio.create_task(sender.run())
    try:
        await consumer.consume(
            addresses,
            group=CLOCK_GROUP,
            topics=[EVENTS_TOPIC],
            work=work,
            max_records=_MAX_BATCH_RECORDS,
            turn_seconds=_TURN_SECONDS,
            found=watching.found,
            assigned=sender.assigned_at_once,
            revoked=sender.revoked_after_turn,
        )
    finally:
        sending.cancel()
        work.close()
        await asyncio.gather(sending, return_exceptions=True)
