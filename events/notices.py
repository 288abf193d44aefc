"""Notices on `invoice.parked`: commands that wait because Redletter could not decide one of their invoice."""

from typing import Annotated

from pydantic import Field

from events.values import CommandId, CommandSource, CommandType, InvoiceNumber, Message


class CommandParked(Message):
    """The command waits, and has no reply yet. place: 1, 2, 3 ... in the order in which the invoice's commands wait.

    reason: INTERNAL_FAULT where Redletter failed to decide this command, INVOICE_PARKED where it waits behind another.
    """

    command_id: CommandId
    command_source: CommandSource
    command_type: CommandType
    invoice_number: InvoiceNumber
    place: Annotated[int, Field(description="1, 2, 3 ... in the order in which the invoice's commands wait.")]
    reason: Annotated[str, Field(description="INTERNAL_FAULT, or INVOICE_PARKED for one that waits behind another.")]


class CommandReleased(Message):
    """The command waits no longer, and its reply is published with this notice. discarded: why it was given up."""

    command_id: CommandId
    command_source: CommandSource
    command_type: CommandType
    invoice_number: InvoiceNumber
    place: Annotated[int, Field(description="1, 2, 3 ... in the order in which the invoice's commands wait.")]
    discarded: Annotated[str | None, Field(description="Why it was given up, if it was.")] = None


AnyNotice = CommandParked | CommandReleased


def notice_id(reply: str, notice: type[AnyNotice]) -> str:
    """Return the id of a notice about the command whose reply has the id ``reply``."""
    return f"{reply}-{'parked' if notice is CommandParked else 'released'}"


def reply_of(notice: str) -> str:
    """Return the id of the reply to the command that a notice with this id is about."""
    return notice.rpartition("-")[0]
