"""The jars of Apache Kafka. ``python -m local.kafka_jars`` updates their pins for a new version."""

from collections.abc import Callable, Sequence
from pathlib import Path

from local.jars import jars, pin

_KAFKA = "org.apache.kafka:kafka_2.13:4.3.0"
_LOGGING = "org.slf4j:slf4j-simple:1.7.36"
"""Kafka logs through slf4j 1.7; this backend writes to standard error without a configuration file."""
_PINS_FILE = Path(__file__).with_name("kafka_jars.sha256")


def kafka_jars(say: Callable[[str], None]) -> Sequence[Path]:
    """Return the jars of the broker. say, Raises: as `local.jars.jars`."""
    return jars(_PINS_FILE, "Apache Kafka", say)


if __name__ == "__main__":
    pin(f"{_KAFKA}+{_LOGGING}", _PINS_FILE)
