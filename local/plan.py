"""What `up` and the demo are to run."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local import terminal
from transport.addresses import Addresses
from transport.kafka_security import KafkaSecurity

ROLES = ("worker", "relay", "projector", "clock", "api", "tax-simulator")


class SystemFailed(Exception):
    """The system could not be started; the message says what failed and why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to run.

    folder: for the embedded servers' files, the logs and the locks.
    command: the command line of a role, by its name.
    migrate: creates or upgrades topics and tables with that many partitions.
    kafka, database: the addresses of existing servers; None runs an embedded one.
    read_models: the URL of the read models' database, if it is not that of the log.
    advertised_kafka: by which ``host:port`` clients elsewhere reach port 9092 of this machine, and so the embedded
    Kafka; None: there are none.
    kafka_security: how everybody connects to Kafka, an embedded one too.
    api_port: None is 8080, or any free one if that is taken; 0 is any free one.
    partitions: of every topic, and of the log.
    without: roles that do not run.
    health: whether each role serves its health, on a free port of its own.
    say: called with each line of progress.
    show_logs: copy the roles' logs to standard error.
    """

    folder: Path
    command: Callable[[str], Sequence[str]]
    migrate: Callable[[Addresses, int], None]
    kafka: str | None = None
    database: str | None = None
    read_models: str | None = None
    advertised_kafka: str | None = None
    kafka_security: KafkaSecurity = field(default_factory=KafkaSecurity)
    api_host: str = "127.0.0.1"
    api_port: int | None = None
    partitions: int = 8
    without: Collection[str] = ()
    health: bool = False
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    say: Callable[[str], None] = terminal.print_to_stderr
    show_logs: bool = True

    @property
    def roles(self) -> Sequence[str]:
        """The roles that run."""
        return [role for role in ROLES if role not in self.without]
