"""When everything behind the event topic has caught up: every read model, the clock, and the status documents."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import LiteralString

from aiokafka import TopicPartition
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from events.names import CLOCK_GROUP
from events.topics import EVENTS_TOPIC
from projections.catalogue import REBUILT

LOOK_EVERY = 0.05
"""Seconds between two looks, which cost the database next to nothing."""
_READ_MODELS = [entry.consumer for entry in REBUILT.values()]
_POSITIONS: LiteralString = """
    select consumer, partition, next from redletter.positions where topic = %s and consumer = any(%s)
"""
_REACHED: LiteralString = """
    select coalesce(sum(next), 0) from redletter.positions where topic = %s and consumer = any(%s)
"""
_PENDING: LiteralString = """
    select exists (select from projections.status_outbox)
        or exists (select from redletter.timers where attempt = 0 and due_at <= now())
"""


class ReadSide:
    """Looks at the positions that are stored beside the rows."""

    def __init__(self, connection: AsyncConnection[TupleRow]) -> None:
        self._connection = connection
        self._reached = 0
        self.moved_at = 0.0
        """When a read model was last seen to move, in seconds since the epoch."""

    async def watch(self) -> None:
        """Note each move until cancelled."""
        while True:
            cursor = await self._connection.execute(_REACHED, (EVENTS_TOPIC, _READ_MODELS))
            (reached,) = await cursor.fetchone() or (0,)
            if reached != self._reached:
                self._reached, self.moved_at = reached, time.time()
            await asyncio.sleep(LOOK_EVERY)

    async def is_behind(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Return whether anything of the event topic, which ends there, is still to be projected or to be sent."""
        asked = await self._connection.execute(_POSITIONS, (EVENTS_TOPIC, [*_READ_MODELS, CLOCK_GROUP]))
        next_ = {(consumer, partition): offset for consumer, partition, offset in await asked.fetchall()}
        for consumer in (*_READ_MODELS, CLOCK_GROUP):
            for partition, end in ends.items():
                # The last offset is the mark of the transaction, which is nothing to be read.
                if partition.topic == EVENTS_TOPIC and next_.get((consumer, partition.partition), 0) < end - 1:
                    return True
        (pending,) = await (await self._connection.execute(_PENDING)).fetchone() or (True,)
        return bool(pending)


@asynccontextmanager
async def watching_read_side(database: str) -> AsyncGenerator[ReadSide]:
    """Watch the read side for the length of a block."""
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        read_side = ReadSide(connection)
        looking = asyncio.create_task(read_side.watch())
        try:
            yield read_side
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
