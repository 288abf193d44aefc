"""Replies: exactly one for each readable command record. A refusal is a reply, not an error."""

from typing import Annotated

from pydantic import Field

from events.values import Facts, InvoiceNumber, Message, StatusCode


class EventReference(Message):
    """The id (``ce_id``) and full type (``ce_type``) of an event that a command led to."""

    id: str
    type: str


class CommandAccepted(Message):
    """The command was accepted. events is empty where the fact was recorded already; status is the invoice's now."""

    command_id: str
    command_source: str
    command_type: str
    invoice_number: InvoiceNumber
    invoice_version: int
    events: Annotated[tuple[EventReference, ...], Field(strict=False)]
    status: StatusCode
    replayed: bool = False


class CommandRefused(Message):
    """The command was refused and nothing changed. code is stable; message is for people; details hold the facts.

    invoice_version is present only when the invoice exists and is the caller's.
    """

    command_id: str
    command_source: str
    command_type: str
    invoice_number: InvoiceNumber | None = None
    invoice_version: int | None = None
    code: str
    message: str
    details: Facts
    replayed: bool = False


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


AnyReply = CommandAccepted | CommandRefused
