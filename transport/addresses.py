"""Where Kafka and PostgreSQL are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Addresses:
    """The servers that every role talks to.

    kafka: bootstrap servers, ``host:port`` joined by commas.
    database: a libpq URL, ``postgresql://user@host:port/name``, of the log's database.
    read_models: that of the read models' database, if it is another one.
    """

    kafka: str
    database: str
    read_models: str | None = None

    def of_read_side(self) -> "Addresses":
        """Return the addresses for what works on the read models alone: their database is its only one."""
        return Addresses(self.kafka, self.read_models or self.database)
