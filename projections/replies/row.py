"""What is kept of a reply, and of the notice that a command waits for its reply, as read from their records. Pure."""

import re
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from events.catalogue import COMMAND_TYPES, type_of
from events.cloudevents import LONGEST_ATTRIBUTE, LONGEST_ID
from events.replies import is_final
from events.topics import Channel
from projections.engine.foreign_records import MAX_TIMESTAMP_MS, UNKNOWN
from transport.records import ConsumerRecord

ACCEPTED = "ACCEPTED"
_COMMAND_TYPES = frozenset(map(type_of, COMMAND_TYPES))
_REPLY_ID = rf"({'|'.join(map(re.escape, Channel))})-(\d{{1,9}})-(\d{{1,18}})"
_REPLY = re.compile(_REPLY_ID.encode())
_NOTICE = re.compile(rf"{_REPLY_ID}-(?:parked|released)".encode())


class CommandPlace(NamedTuple):
    """A partition of a command topic, and the offset of a command in it."""

    topic: str
    partition: int
    offset: int


class ReplyRow(NamedTuple):
    """The reply to the command that lay at a place. partition: of the reply.

    command_type: one that a command has, else ``unknown``. answer: a refusal's code, or ACCEPTED. text: all of it, as
    JSON. at: milliseconds since 1970.
    """

    place: CommandPlace
    partition: int
    command_id: str
    source: str
    command_type: str
    answer: str
    replayed: bool
    text: str
    at: int

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells its command from any other."""
        return self.command_id, self.source, self.place.topic

    @property
    def final(self) -> bool:
        """Whether the id of the command is used up."""
        return is_final(self.answer)


class NoticeRow(NamedTuple):
    """That the command that lay at a place waits, or waits no longer and has its reply on the topic of replies."""

    place: CommandPlace
    command_id: str
    source: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells its command from any other."""
        return self.command_id, self.source, self.place.topic


class _OfCommand(BaseModel):
    """What is read of every message about a command; only the relay writes them, but that is not relied on."""

    model_config = ConfigDict(strict=True)

    command_id: Annotated[str, StringConstraints(max_length=LONGEST_ID, pattern=r"^[^\x00]*$")]
    command_source: Annotated[str, StringConstraints(max_length=LONGEST_ATTRIBUTE, pattern=r"^[^\x00]*$")]


class _Reply(_OfCommand):
    command_type: str
    code: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")] = ACCEPTED
    replayed: bool


def reply_row(record: ConsumerRecord) -> ReplyRow | None:
    """Return what is kept of a reply, or None for a record that is not one."""
    text = record.value or b""
    try:
        reply = _Reply.model_validate_json(text)
    except ValidationError:
        return None
    place = _place(record, _REPLY)
    return place and ReplyRow(
        place,
        record.partition,
        reply.command_id,
        reply.command_source,
        reply.command_type if reply.command_type in _COMMAND_TYPES else UNKNOWN,
        reply.code,
        reply.replayed,
        text.decode(),
        max(0, min(record.timestamp, MAX_TIMESTAMP_MS)),
    )


def notice_row(record: ConsumerRecord) -> NoticeRow | None:
    """Return what is kept of a notice, or None for a record that is not one."""
    try:
        notice = _OfCommand.model_validate_json(record.value or b"")
    except ValidationError:
        return None
    place = _place(record, _NOTICE)
    return place and NoticeRow(place, notice.command_id, notice.command_source)


def _place(record: ConsumerRecord, id_: re.Pattern[bytes]) -> CommandPlace | None:
    """Return the place of the command, of which the id of the record is made."""
    found = id_.fullmatch(dict(record.headers).get("ce_id") or b"")
    return CommandPlace(found[1].decode(), int(found[2]), int(found[3])) if found else None
