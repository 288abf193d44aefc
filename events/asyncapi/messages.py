"""The messages of the AsyncAPI document: what is in a record, in either mode, with an example.

Examples of bodies are those of the schemas, and so the bytes that the tests hold.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import JsonValue

from events import cloudevents
from events.catalogue import (
    COMMAND_TYPES,
    EVENT_TYPES,
    NOTICE_TYPES,
    REPLY_TYPES,
    TAX_REQUEST_TYPES,
    schema_of,
    type_of,
)
from events.log_headers import DIGEST_HEADER, PLACE_HEADER
from events.names import CLOCK_SOURCE, PROJECTOR_SOURCE, WORKER_SOURCE, event_id
from events.schemas import TYPES, examples
from events.topics import Channel

SCHEMA_REFERENCE = "#/components/schemas/{model}"
_TEXT = {"type": "string"}
_HEADERS: Mapping[str, Any] = {
    "ce_specversion": {"const": "1.0"},
    "ce_id": {"type": "string", "minLength": 1, "maxLength": cloudevents.LONGEST_ID},
    "ce_source": {"type": "string", "format": "uri-reference", "maxLength": cloudevents.LONGEST_ATTRIBUTE},
    "ce_type": _TEXT,
    "ce_subject": {"type": "string", "description": "The invoice number."},
    "ce_time": {"type": "string", "format": "date-time"},
    "ce_dataschema": _TEXT,
    "ce_correlationid": {"type": "string", "description": "The id of the journey that the message belongs to."},
    "ce_causationid": {"type": "string", "description": "The id of the message that caused this one."},
    "traceparent": {"type": "string", "description": "W3C trace context."},
    "content-type": {"const": "application/json"},
}
"""Of binary mode: every header's value is text in UTF-8."""
_VERSION_HEADER = {
    "ce_invoiceversion": {"type": "string", "pattern": "^[1-9][0-9]*$", "description": "1, 2, 3 ... of the invoice."}
}
_PLACE = {
    PLACE_HEADER: {
        "type": "string",
        "pattern": "^[1-9][0-9]*$",
        "description": "Of no use to consumers: the message's place in the log of Redletter, for a repair.",
    }
}
_DIGEST = {
    DIGEST_HEADER: {
        "type": "string",
        "pattern": "^[0-9a-f]{64}$",
        "description": "Of no use to consumers: a digest of the command, where this reply uses up its id.",
    }
}
_OF_COMMANDS = ("ce_specversion", "ce_id", "ce_source", "ce_type")
_OF_OURS = (*_OF_COMMANDS, "ce_time", "ce_dataschema", "ce_correlationid", "content-type")
_CAUSED = ("ce_causationid",)
_DEAD_LETTER_HEADERS: Mapping[str, Any] = {
    "dl_reason": {"type": "string", "description": "Why the record is no readable command.", "examples": ["TOO_LARGE"]},
    "dl_error": {"type": "string", "description": "The same in words."},
    "dl_topic": {"type": "string", "description": "The topic that the record came on."},
    "dl_partition": {"type": "string", "pattern": "^[0-9]+$"},
    "dl_offset": {"type": "string", "pattern": "^[0-9]+$"},
    "dl_time": {"type": "string", "format": "date-time"},
    "dl_sealed": {"type": "string", "description": "With sealing: what the key is called that opens the value."},
    "dl_size": {"type": "string", "description": "The value's size in bytes, where it was left out."},
    "dl_sha256": {"type": "string", "description": "The value's digest, where it was left out."},
}
_KEY = {"kafka": {"key": {"type": "string", "description": "The invoice number, in UTF-8."}}}
_AT = datetime(2026, 2, 13, 1, 30, tzinfo=UTC)
_JOURNEY = "command-1"


def message_key(name: str) -> str:
    """Return the key of a message in the document, from its stored name."""
    return name.replace(".", "_")


def structured_key(name: str) -> str:
    """Return the key of a command in structured mode."""
    return f"{message_key(name)}_structured"


def messages() -> dict[str, Any]:
    """Return every message by its key."""
    return {
        **{message_key(name): _binary(name) for name in TYPES},
        **{structured_key(name): _structured(name) for name in COMMAND_TYPES},
        "DeadLetter": _DEAD_LETTER,
    }


def envelopes() -> dict[str, Any]:
    """Return the schemas of what a command is in structured mode: a CloudEvent whose data is the body."""
    return {f"{_title(name)}CloudEvent": _envelope(name) for name in COMMAND_TYPES}


def _title(name: str) -> str:
    return name.partition(".")[0]


def _binary(name: str) -> dict[str, Any]:
    wanted = _OF_COMMANDS if name in COMMAND_TYPES else _OF_OURS
    wanted += ("ce_invoiceversion",) if name in EVENT_TYPES else ()
    wanted += _CAUSED if name in {**EVENT_TYPES, **REPLY_TYPES, **NOTICE_TYPES} else ()
    fixed = {"ce_type": {"const": type_of(name)}, "ce_dataschema": {"const": schema_of(name)}}
    properties = {**_HEADERS, **_own_headers(name), **fixed}
    headers = _example_headers(name)
    return {
        "name": type_of(name),
        "title": _title(name),
        **_words(name),
        "contentType": "application/json",
        "headers": {"type": "object", "properties": properties, "required": list(wanted)},
        "payload": {"$ref": SCHEMA_REFERENCE.format(model=message_key(name))},
        "correlationId": _correlation(name),
        "bindings": _KEY,
        "examples": [
            {"name": f"{_title(name)}.{which}", "headers": headers, "payload": body}
            for which, body in examples(name).items()
        ],
    }


def _own_headers(name: str) -> Mapping[str, Any]:
    if name in EVENT_TYPES:
        return {**_VERSION_HEADER, **_PLACE}
    if name in REPLY_TYPES:
        return {**_PLACE, **_DIGEST}
    return _PLACE if name in NOTICE_TYPES else {}


def _words(name: str) -> dict[str, str]:
    summary, _, more = (TYPES[name].__doc__ or "").partition("\n")
    return {"summary": summary} | ({"description": " ".join(more.split())} if more.strip() else {})


def _correlation(name: str) -> dict[str, str]:
    """Say where to find whose reply a reply is, and to which journey anything else belongs."""
    if name in COMMAND_TYPES:
        return {"location": "$message.header#/ce_id", "description": "Its reply has it as ce_causationid."}
    if name in REPLY_TYPES:
        return {"location": "$message.header#/ce_causationid", "description": "The ce_id of the command it answers."}
    return {"location": "$message.header#/ce_correlationid", "description": "The journey, from its first command on."}


def _example_headers(name: str) -> dict[str, str]:
    subject = cast("dict[str, str]", examples(name)["least"]).get("invoice_number")
    written = cloudevents.headers(
        id=_id(name, subject),
        source=_source(name),
        name=name,
        subject=subject,
        time=_AT,
        correlation=_JOURNEY,
        causation=None if name in COMMAND_TYPES else _JOURNEY,
        version=1 if name in EVENT_TYPES else None,
    )
    return {header: value.decode() for header, value in written}


def _id(name: str, subject: str | None) -> str:
    if name in COMMAND_TYPES:
        return _JOURNEY
    return event_id(subject or "", 1) if name in EVENT_TYPES else f"{_title(name)}-1"


def _source(name: str) -> str:
    if name in COMMAND_TYPES:
        channel = COMMAND_TYPES[name].CHANNEL
        return CLOCK_SOURCE if channel is Channel.INTERNAL else f"urn:example:{channel.value.rpartition('.')[2]}"
    if name in {**EVENT_TYPES, **REPLY_TYPES, **NOTICE_TYPES}:
        return WORKER_SOURCE
    return CLOCK_SOURCE if name in TAX_REQUEST_TYPES else PROJECTOR_SOURCE


def _structured(name: str) -> dict[str, Any]:
    return {
        "name": f"{type_of(name)}.structured",
        "title": f"{_title(name)} in structured mode",
        **_words(name),
        "contentType": cloudevents.STRUCTURED,
        "headers": {
            "type": "object",
            "properties": {"content-type": {"type": "string", "pattern": r"^application/cloudevents\+json"}},
            "required": ["content-type"],
        },
        "payload": {"$ref": SCHEMA_REFERENCE.format(model=f"{_title(name)}CloudEvent")},
        "correlationId": {"location": "$message.payload#/id", "description": "Its reply has it as ce_causationid."},
        "bindings": _KEY,
        "examples": [
            {
                "name": f"{_title(name)}.structured.{which}",
                "headers": {"content-type": cloudevents.STRUCTURED},
                "payload": _event(name, body),
            }
            for which, body in examples(name).items()
        ],
    }


def _event(name: str, body: JsonValue) -> dict[str, JsonValue]:
    return {"specversion": "1.0", "id": _JOURNEY, "source": _source(name), "type": type_of(name), "data": body}


def _envelope(name: str) -> dict[str, Any]:
    attributes = {header.removeprefix("ce_"): of for header, of in _HEADERS.items() if header.startswith("ce_")}
    return {
        "title": f"{_title(name)}CloudEvent",
        "description": f"{_title(name)} as a CloudEvent in structured mode. data_base64 may carry the body instead.",
        "type": "object",
        "properties": {
            **attributes,
            "type": {"const": type_of(name)},
            "datacontenttype": {"const": "application/json"},
            "data": {"$ref": SCHEMA_REFERENCE.format(model=message_key(name))},
        },
        "required": ["specversion", "id", "source", "type", "data"],
    }


_DEAD_LETTER: dict[str, Any] = {
    "name": "redletter.DeadLetter",
    "title": "DeadLetter",
    "summary": "A record that is not a readable command, byte for byte: its key, its value and its headers.",
    "contentType": "application/octet-stream",
    "headers": {
        "type": "object",
        "properties": _DEAD_LETTER_HEADERS,
        "required": ["dl_reason", "dl_topic", "dl_partition", "dl_offset", "dl_time"],
    },
    "payload": {"description": "Any bytes, or none."},
    "bindings": {"kafka": {"key": {"description": "The record's own key: any bytes, or none."}}},
    "examples": [
        {
            "name": "DeadLetter.malformed",
            "headers": {
                "dl_reason": "MALFORMED_COMMAND",
                "dl_error": "invoice_number: must be exactly 20 digits 0-9",
                "dl_topic": Channel.CUSTOMER.value,
                "dl_partition": "3",
                "dl_offset": "17",
                "dl_time": _AT.isoformat(),
                "ce_id": _JOURNEY,
            },
            "payload": '{"invoice_number":"1","account_id":"account-1"}',
        }
    ],
}
