"""The worker: reads the four command topics, and answers them batch by batch."""

from datetime import timedelta
from functools import partial

from events.names import WORKER_GROUP
from events.topics import Channel
from rules.calendar import MainlandChina
from service.invoice.moment import Policy
from service.store.divergence import stop_where_log_differs
from service.store.event_store import Store
from service.worker.moments import Moments
from service.worker.sealing import NOT_SEALING, Sealing
from service.worker.work import CommandWork
from transport import consumer
from transport.addresses import Addresses

MAX_BATCH_RECORDS = 500
"""Records decided in one transaction."""


async def run(
    addresses: Addresses,
    *,
    clock_shift: timedelta,
    calendar: MainlandChina,
    policy: Policy,
    sealing: Sealing = NOT_SEALING,
) -> None:
    """Work until cancelled. Raises: ProgramTooOld, once the partitions have been left to others."""
    store = Store(addresses.database, begin=partial(stop_where_log_differs, kafka=addresses.kafka))
    work = CommandWork(store, Moments(clock_shift, calendar, policy), sealing)
    topics = [channel.value for channel in Channel]
    try:
        await consumer.consume(addresses, group=WORKER_GROUP, topics=topics, work=work, max_records=MAX_BATCH_RECORDS)
    finally:
        store.close()
