"""Records of a foreign program on Redletter's topics: they stop nothing, and none of their text becomes a key."""

from collections.abc import Sequence

import structlog

from transport.records import KafkaRecord

log = structlog.get_logger(__name__)

UNKNOWN = "unknown"
"""Stands for every unknown name: keys and metric labels must not grow with what publishers invent."""
MAX_TIMESTAMP_MS = 253_402_300_799_000
"""The last moment of the year 9999, in milliseconds since 1970: PostgreSQL and Python accept none much later."""


def report_foreign(records: Sequence[KafkaRecord]) -> None:
    """Log, once per batch, that records were left out, and where the first of them lies."""
    if records:
        first = records[0]
        place = {"topic": first.topic, "partition": first.partition, "offset": first.offset}
        log.warning("foreign_records_left_out", records=len(records), **place)
