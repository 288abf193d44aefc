"""Where Kafka and PostgreSQL are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Addresses:
    """The two servers that every role talks to.

    kafka: bootstrap servers, ``host:port`` joined by commas.
    database: a libpq URL, ``postgresql://user@host:port/name``.
    """

    kafka: str
    database: str
