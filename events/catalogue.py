"""Every message type by the name it is published and stored under.

These names are stored. They never derive from where a class lives; a changed shape is a new version beside the old.
"""

from events.commands import (
    AmendInvoice,
    AnyCommand,
    CancelReturn,
    CompleteReturn,
    ConfirmRedFontForm,
    EraseInvoice,
    LinkReplacement,
    MarkReturnOverdue,
    RecordCreditNote,
    RecordPostingStatus,
    RefuseReissue,
    RegisterInvoice,
    RejectRedFontForm,
    ReportReversalFailure,
    RequestReissue,
    RequestReturn,
    ReviseDeadline,
)
from events.invoice_events import (
    AnyInvoiceEvent,
    CreditNoteIssued,
    InvoiceIssued,
    InvoiceReturned,
    PersonalDataErased,
    PostingStatusChanged,
    RedFontFormConfirmed,
    ReissueRefused,
    ReissueRequested,
    ReplacementIssued,
    ReturnDeadlineRevised,
    ReturnOverdue,
    ReturnRefused,
    ReturnRequested,
    ReversalAttemptFailed,
)
from events.notices import AnyNotice, CommandParked, CommandReleased
from events.replies import AnyReply, CommandAccepted, CommandRefused
from events.status import InvoiceStatus
from events.tax_requests import (
    AnyTaxRequest,
    IssueCreditNote,
    OpenRedFontForm,
    VerifyRedFontForm,
    VerifyReversal,
)
from events.upcasting import StoredEvents, read_stored
from events.values import Message

PREFIX = "redletter.invoice."

COMMAND_TYPES: dict[str, type[AnyCommand]] = {
    "RegisterInvoice.v1": RegisterInvoice,
    "RefuseReissue.v1": RefuseReissue,
    "RequestReturn.v1": RequestReturn,
    "RequestReissue.v1": RequestReissue,
    "CancelReturn.v1": CancelReturn,
    "AmendInvoice.v1": AmendInvoice,
    "RecordPostingStatus.v1": RecordPostingStatus,
    "ConfirmRedFontForm.v1": ConfirmRedFontForm,
    "RejectRedFontForm.v1": RejectRedFontForm,
    "RecordCreditNote.v1": RecordCreditNote,
    "CompleteReturn.v1": CompleteReturn,
    "ReportReversalFailure.v1": ReportReversalFailure,
    "MarkReturnOverdue.v1": MarkReturnOverdue,
    "ReviseDeadline.v1": ReviseDeadline,
    "LinkReplacement.v1": LinkReplacement,
    "EraseInvoice.v1": EraseInvoice,
}
EVENT_TYPES: dict[str, type[AnyInvoiceEvent]] = {
    "InvoiceIssued.v1": InvoiceIssued,
    "PostingStatusChanged.v1": PostingStatusChanged,
    "ReturnRequested.v1": ReturnRequested,
    "RedFontFormConfirmed.v1": RedFontFormConfirmed,
    "ReversalAttemptFailed.v1": ReversalAttemptFailed,
    "CreditNoteIssued.v1": CreditNoteIssued,
    "InvoiceReturned.v1": InvoiceReturned,
    "ReturnRefused.v1": ReturnRefused,
    "ReturnDeadlineRevised.v1": ReturnDeadlineRevised,
    "ReturnOverdue.v1": ReturnOverdue,
    "ReissueRequested.v1": ReissueRequested,
    "ReissueRefused.v1": ReissueRefused,
    "ReplacementIssued.v1": ReplacementIssued,
    "PersonalDataErased.v1": PersonalDataErased,
}
REPLY_TYPES: dict[str, type[AnyReply]] = {
    "CommandAccepted.v1": CommandAccepted,
    "CommandRefused.v1": CommandRefused,
}
NOTICE_TYPES: dict[str, type[AnyNotice]] = {
    "CommandParked.v1": CommandParked,
    "CommandReleased.v1": CommandReleased,
}
TAX_REQUEST_TYPES: dict[str, type[AnyTaxRequest]] = {
    "VerifyRedFontForm.v1": VerifyRedFontForm,
    "OpenRedFontForm.v1": OpenRedFontForm,
    "IssueCreditNote.v1": IssueCreditNote,
    "VerifyReversal.v1": VerifyReversal,
}
STATUS_TYPES: dict[str, type[InvoiceStatus]] = {"InvoiceStatus.v1": InvoiceStatus}

_STORED: StoredEvents[AnyInvoiceEvent] = StoredEvents(EVENT_TYPES)
"""Every event type is in its first version; an older one would have its upcaster here."""

_NAMES: dict[type[Message], str] = {
    message: name
    for messages in (COMMAND_TYPES, EVENT_TYPES, REPLY_TYPES, NOTICE_TYPES, TAX_REQUEST_TYPES, STATUS_TYPES)
    for name, message in messages.items()
}


def name_of(message: type[Message]) -> str:
    """Return the stored name of a message class, such as ``InvoiceIssued.v1``."""
    return _NAMES[message]


def type_of(name: str) -> str:
    """Return the full ``ce_type`` of a stored name, such as ``redletter.invoice.InvoiceIssued.v1``."""
    return PREFIX + name


def schema_of(name: str) -> str:
    """Return the ``ce_dataschema`` of a stored name, such as ``urn:redletter:schema:InvoiceIssued:v1``."""
    return "urn:redletter:schema:" + name.replace(".", ":")


def stored_name(ce_type: str) -> str:
    """Return the stored name in a ``ce_type``; of a foreign type, the type itself."""
    return ce_type.removeprefix(PREFIX)


def read_event(name: str, body: bytes) -> AnyInvoiceEvent:
    """Read the bytes of a stored or published event; unknown fields are ignored.

    Raises: WrittenByNewerRelease for a name or a value that this release does not know, pydantic's ValidationError for
    other bytes.
    """
    return _STORED.read(name, body)


def read_published_event(ce_type: str, body: bytes) -> AnyInvoiceEvent:
    """Read an event by its full type. Raises: KeyError for a foreign type; what `read_event` raises."""
    if not ce_type.startswith(PREFIX):
        raise KeyError(ce_type)
    return read_event(stored_name(ce_type), body)


def read_reply(name: str, body: bytes) -> AnyReply:
    """Read the bytes of a stored reply; unknown fields are ignored. Raises: what `read_event` raises."""
    return read_stored(REPLY_TYPES, name, body)


def read_message(name: str, body: bytes) -> Message:
    """Read a reply, a notice, a tax request or a status document; unknown fields are ignored.

    Raises: KeyError for another name, pydantic's ValidationError for other bytes.
    """
    return {**REPLY_TYPES, **NOTICE_TYPES, **TAX_REQUEST_TYPES, **STATUS_TYPES}[name].model_validate_json(body)


def json_of(message: Message) -> bytes:
    """Write a message's body as it is published and stored: JSON, snake_case, absent fields left out."""
    return message.__pydantic_serializer__.to_json(message, by_alias=True, exclude_none=True)
