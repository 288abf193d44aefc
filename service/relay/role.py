"""The relay: this process's share of the partitions of the log."""

import asyncio

import psycopg
import stamina
import structlog

from events.names import RELAY_GROUP
from events.topics import RELAY_TOPIC
from service.relay.partition import PartitionRelay
from service.store import retention
from service.store.log_reader import LogReader
from service.store.notifications import News
from transport import membership
from transport.addresses import Addresses

log = structlog.get_logger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks at how far the log has grown, for a notification can be lost."""
NOTE_EVERY = 1.0
"""Seconds between two notes of how far the log is published."""
DELETE_EVERY = 600.0
"""Seconds between two looks for what the log no longer keeps."""


class _Relay:
    """The partitions that this process holds."""

    def __init__(self, addresses: Addresses, standbys: int) -> None:
        self._addresses = addresses
        self.entries = LogReader(addresses.database, standbys)
        self._news = News()
        self._held: dict[int, tuple[PartitionRelay, asyncio.Task[None]]] = {}

    async def hold(self, partitions: frozenset[int]) -> None:
        """Hold exactly these partitions; return when the others are let go."""
        gone = [self._held.pop(partition)[1] for partition in self._held.keys() - partitions]
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        for partition in partitions - self._held.keys():
            held = PartitionRelay(self._addresses, partition, self.entries, self._news)
            self._held[partition] = (held, asyncio.create_task(held.publish_for_ever()))

    async def listen(self) -> None:
        """Listen for entries until cancelled."""
        async for attempt in stamina.retry_context(on=psycopg.Error, attempts=None, timeout=None, wait_max=2.0):
            with attempt:
                await self._news.listen(self._addresses.database)

    async def look(self) -> None:
        """Look now and then how far all partitions have grown, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                for partition, last, stopped in await self.entries.ends() if self._held else ():
                    self._news.reached(partition, last, stopped=stopped)
            except psycopg.Error as error:
                log.debug("ends_of_log_not_seen", error=str(error))

    async def note_places(self) -> None:
        """Note now and then how far the log is published, until cancelled."""
        noted: dict[int, int] = {}
        while True:
            await asyncio.sleep(NOTE_EVERY)
            places = {partition: held.position.place for partition, (held, _) in self._held.items()}
            if news := {partition: place for partition, place in places.items() if noted.get(partition) != place}:
                try:
                    await self.entries.note_published(news)
                except psycopg.Error as error:
                    log.debug("published_places_not_noted", error=str(error))
                else:
                    noted = places

    async def delete_unneeded(self) -> None:
        """Delete now and then what the log no longer keeps, until cancelled."""
        while True:
            try:
                await retention.delete_unneeded(self.entries)
            except psycopg.Error as error:
                log.warning("unneeded_entries_not_deleted", error=str(error))
            await asyncio.sleep(DELETE_EVERY)


async def run(addresses: Addresses, *, standbys: int = 0) -> None:
    """Relay until cancelled, sharing the partitions of the log with other relays.

    standbys: how many of PostgreSQL's must have flushed an entry before it is published.
    """
    relay = _Relay(addresses, standbys)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(relay.listen())
            tasks.create_task(relay.look())
            tasks.create_task(relay.note_places())
            tasks.create_task(relay.delete_unneeded())
            tasks.create_task(membership.share(addresses.kafka, group=RELAY_GROUP, topic=RELAY_TOPIC, hold=relay.hold))
    finally:
        await relay.entries.close()
