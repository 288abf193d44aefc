"""Replies: exactly one for each readable command record. A refusal is a reply, not an error."""

from typing import Annotated

from pydantic import Field

from events.refusal_codes import KnownRefusal
from events.values import CommandId, CommandSource, CommandType, Facts, InvoiceNumber, Message, StatusCode

_VERSION = "The version of the invoice after the command: a query with min_version waits for it."
_REPLAYED = "Whether this repeats the first reply to the same command."


class EventReference(Message):
    """The id (``ce_id``) and full type (``ce_type``) of an event that a command led to."""

    id: Annotated[str, Field(description="The event's ce_id.")]
    type: Annotated[str, Field(description="The event's ce_type.")]


class CommandAccepted(Message):
    """The command was accepted. events is empty where the fact was recorded already; status is the invoice's now."""

    command_id: CommandId
    command_source: CommandSource
    command_type: CommandType
    invoice_number: InvoiceNumber
    invoice_version: Annotated[int, Field(description=_VERSION)]
    events: Annotated[tuple[EventReference, ...], Field(strict=False, description="What the command led to.")]
    status: StatusCode
    replayed: Annotated[bool, Field(description=_REPLAYED)] = False


class CommandRefused(Message):
    """The command was refused and nothing changed. code is stable; message is for people; details hold the facts.

    invoice_version is present only when the invoice exists and is the caller's.
    """

    command_id: CommandId
    command_source: CommandSource
    command_type: CommandType
    invoice_number: InvoiceNumber | None = None
    invoice_version: Annotated[int | None, Field(description=_VERSION)] = None
    code: KnownRefusal
    message: Annotated[str, Field(description="What is wrong and what to do, for people.")]
    details: Facts
    replayed: Annotated[bool, Field(description=_REPLAYED)] = False


_ALARMING = {
    # A credit note that no return waits for exists at the tax side all the same.
    "redletter.invoice.RecordCreditNote.v1": ("NO_RETURN_IN_PROGRESS", "INVOICE_ALREADY_REVERSED"),
    # Only the clock of Redletter links replacements: a refusal is a bug.
    "redletter.invoice.LinkReplacement.v1": ("REISSUE_NOT_FOUND", "INVOICE_NOT_FOUND"),
}


def is_alarming(command_type: str, code: str) -> bool:
    """Return whether a refusal needs attention."""
    return code in _ALARMING.get(command_type, ())


_LEAVES_ID_FREE = frozenset(
    {
        "WRONG_CHANNEL",
        "IDEMPOTENCY_KEY_REUSED",
        "MALFORMED_COMMAND",
        "INTERNAL_FAULT",
        "INVOICE_PARKED",
        "RETURN_NOT_OVERDUE",
    }
)


def is_final(code: str) -> bool:
    """Return whether a refusal uses up the id of its command, so that a repeat gets this reply again."""
    return code not in _LEAVES_ID_FREE


def reply_id(topic: str, partition: int, offset: int) -> str:
    """Return the id of the reply to a record. Every record gets one reply, so its place in Kafka is the id."""
    return f"{topic}-{partition}-{offset}"


def record_of(reply: str) -> tuple[str, int, int]:
    """Return the topic, the partition and the offset of the record that a reply with this id answers."""
    topic, partition, offset = reply.rsplit("-", 2)
    return topic, int(partition), int(offset)


AnyReply = CommandAccepted | CommandRefused
