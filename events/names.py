"""Names that several roles must agree on: consumer groups, sources of messages, and ids of events."""

WORKER_GROUP = "redletter.worker"
RELAY_GROUP = "redletter.relay"
CLOCK_GROUP = "redletter.clock"
TAX_SIMULATOR_GROUP = "redletter.tax-simulator"
PROJECTOR_GROUP = "redletter.projector"
"""Reads `invoice.events` for all read models that keep up; one that does not reads in its own group."""
PROJECTOR_GROUPS = "redletter.projector."
"""How the group of every read model begins."""

WORKER_SOURCE = "urn:redletter:worker"
CLOCK_SOURCE = "urn:redletter:clock"
PROJECTOR_SOURCE = "urn:redletter:projector"
HTTP_SOURCES = "urn:redletter:api:"
"""How the source of every command begins that came over HTTP; the account follows."""


def projector_group(read_model: str) -> str:
    """Return the consumer group of a read model. Positions are kept under the same name."""
    return PROJECTOR_GROUPS + read_model.replace("_", "-")


def is_of_read_side(group: str) -> bool:
    """Return whether the positions of a consumer group are kept beside the read models, and not beside the log."""
    return group.startswith(PROJECTOR_GROUP)


def event_id(invoice_number: str, version: int) -> str:
    """Return the id of an event, which its invoice and version already make unique."""
    return f"{invoice_number}-{version}"
