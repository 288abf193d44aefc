"""Whether the log holds what was published of it.

PostgreSQL that was restored from an older backup, or failed over without its last commits, lacks entries that are on
the topics. What a worker decided on it would take their places. So a session compares the two before anything is
loaded over it: the server behind a session does not change.
"""

import asyncio
from collections.abc import Mapping

import structlog
from aiokafka import TopicPartition
from psycopg import Connection
from psycopg.rows import TupleRow

from events.topics import RELAY_TOPIC
from service.store import log_tables
from service.store.log_reader import GENESIS, LogDiffers, LogPosition, rows_behind
from service.store.log_tables import LogRow
from transport.newest_record import newest_values

log = structlog.get_logger(__name__)


def stop_where_log_differs(connection: Connection[TupleRow], kafka: str) -> None:
    """Stop the partitions of the log that do not hold what was published of them; nothing is written there then.

    kafka: its bootstrap servers. Raises: KafkaError while it cannot be reached, psycopg.Error.
    """
    noted: dict[int, int] = dict(connection.execute(log_tables.NOTED).fetchall())
    published = asyncio.run(_published(kafka, noted))
    for partition, place in noted.items():
        try:
            _compare(connection, partition, published.get(partition, GENESIS), place)
        except LogDiffers as error:
            log.error("log_differs", partition=partition, why=str(error), see="redletter check")  # noqa: TRY400 - the reason says all
            connection.execute(log_tables.STOP, {"partition": partition, "why": str(error)})


async def _published(kafka: str, partitions: Mapping[int, int]) -> dict[int, LogPosition]:
    newest = await newest_values(kafka, [TopicPartition(RELAY_TOPIC, partition) for partition in partitions])
    return {one.partition: LogPosition.read(value) for one, value in newest.items() if value is not None}


def _compare(connection: Connection[TupleRow], partition: int, position: LogPosition, noted: int) -> None:
    position.refuse_older(partition, noted)
    with connection.cursor(binary=True) as cur:
        cur.execute(log_tables.COMMAND, {"partition": partition, "place": position.place, "end": position.place})
        rows_behind(partition, position, list(map(LogRow._make, cur.fetchall())))
