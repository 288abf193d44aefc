"""Which partition a key goes to: Kafka's own murmur2, as every Java client has it."""

from functools import lru_cache

from aiokafka.partitioner import murmur2

MAX_KEY_BYTES = 256
"""Longer keys are not placed by their hash, which costs microseconds a byte; no key of Redletter is as long."""


def partition_of(key: bytes | None, came_by: int, partitions: int) -> int:
    """Return the partition that a key goes to; without one, or with one that is too long, ``came_by``.

    came_by: the partition of the record that the key was read from.
    """
    if key is None or len(key) > MAX_KEY_BYTES:
        return came_by % partitions
    return _hashed(key) % partitions


@lru_cache(maxsize=16_384)
def _hashed(key: bytes) -> int:
    return murmur2(key) & 0x7FFFFFFF
