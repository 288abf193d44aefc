"""How a message is connected with those before it."""

from typing import NamedTuple


class Trace(NamedTuple):
    """What a message carries of those before it.

    causation: the id of the message that caused it. correlation: the id of the journey. traceparent: a W3C trace
    context.
    """

    causation: str
    correlation: str
    traceparent: str | None
