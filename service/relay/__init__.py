"""The relay: publishes the log in order, exactly once. Relays share its partitions as members of a group."""

from service.relay.role import run

__all__ = ["run"]
