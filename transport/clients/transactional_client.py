"""A Kafka producer with a transactional id whose failure is told once, to its caller."""

import asyncio
from typing import Any, cast

from aiokafka import AIOKafkaProducer


class TransactionalClient(AIOKafkaProducer):
    """aiokafka's producer, which also looks at the failures that it leaves in futures of its own.

    A fenced producer fails what it has begun, waiters of its own included. Nobody awaits those any more, so that
    asyncio would log each with a traceback, as never retrieved, whenever the collector comes by.
    """

    async def stop(self) -> None:
        """Stop, and let nothing of a failure be left behind."""
        try:
            await super().stop()
        finally:
            for waiter in self._waiters():
                if waiter is not None and waiter.done() and not waiter.cancelled():
                    waiter.exception()

    def _waiters(self) -> list[asyncio.Future[Any] | None]:
        unfinished = cast("Any", self._message_accumulator)._batches.values()  # noqa: SLF001 - there is no public way
        batches = [batch for of_partition in unfinished for batch in of_partition]
        return [
            cast("Any", self._txn_manager).wait_for_transaction_end(),
            *(batch.future for batch in batches),
            *(batch._drain_waiter for batch in batches),  # noqa: SLF001 - there is no public way
        ]
