"""The topics and their messages as an AsyncAPI 3.0 document, worked out from the catalogue and the topics.

What the framework generates has no headers, keys, replies or groups: it knows nothing of what is in a record.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from events import schemas
from events.catalogue import (
    COMMAND_TYPES,
    EVENT_TYPES,
    NOTICE_TYPES,
    REPLY_TYPES,
    STATUS_TYPES,
    TAX_REQUEST_TYPES,
    schema_of,
    type_of,
)
from events.names import WORKER_GROUP
from events.topics import (
    DEAD_LETTERS_TOPIC,
    EVENTS_TOPIC,
    PARKED_TOPIC,
    RELAY_TOPIC,
    REPLIES_TOPIC,
    STATUS_TOPIC,
    TAX_REQUESTS_TOPIC,
    TOPICS,
    Channel,
    Topic,
)

_WRITERS = {
    Channel.CUSTOMER.value: "customer portal, redletter api",
    Channel.BILLING.value: "billing",
    Channel.TAX.value: "tax connector",
    Channel.INTERNAL.value: "redletter clock",
    EVENTS_TOPIC: "redletter relay",
    REPLIES_TOPIC: "redletter relay",
    DEAD_LETTERS_TOPIC: "redletter relay",
    PARKED_TOPIC: "redletter relay",
    STATUS_TOPIC: "redletter projector",
    TAX_REQUESTS_TOPIC: "redletter clock",
}
_ABOUT = {
    **dict.fromkeys(
        (channel.value for channel in Channel),
        "Commands, in binary or structured mode. A type is taken from its own topic only: that is the trust boundary.",
    ),
    EVENTS_TOPIC: "What happened, in order for each invoice, exactly once for those who read committed records only.",
    REPLIES_TOPIC: "One reply to every readable command record; ce_causationid is the command's id.",
    DEAD_LETTERS_TOPIC: "Records that are not readable commands, byte for byte; dl_ headers say why and from where.",
    PARKED_TOPIC: "Commands that wait because Redletter failed to decide one of their invoice, and their release.",
    STATUS_TOPIC: "The newest status document of each invoice (compacted). It may repeat, and never goes back.",
    TAX_REQUESTS_TOPIC: "What the tax connector is asked. Repeated under the same id until it is answered.",
}
_TEXT = {"type": "string"}
_HEADERS: Mapping[str, Any] = {
    "ce_specversion": {"const": "1.0"},
    "ce_id": {"type": "string", "minLength": 1, "maxLength": 128},
    "ce_source": {"type": "string", "format": "uri-reference"},
    "ce_type": _TEXT,
    "ce_subject": {"type": "string", "description": "the invoice number"},
    "ce_time": {"type": "string", "format": "date-time"},
    "ce_dataschema": _TEXT,
    "ce_correlationid": _TEXT,
    "ce_causationid": {"type": "string", "description": "id of the message that caused this one"},
    "traceparent": {"type": "string", "description": "W3C trace context"},
    "content-type": {"const": "application/json"},
    "ce_invoiceversion": {"type": "string", "pattern": "^[1-9][0-9]*$", "description": "1, 2, 3 ... of the invoice"},
}
"""Binary mode: every header's value is text in UTF-8."""
_OF_COMMANDS = ("ce_specversion", "ce_id", "ce_source", "ce_type")
_OF_OURS = (*_OF_COMMANDS, "ce_time", "ce_dataschema", "ce_correlationid", "content-type")


def router(version: str) -> APIRouter:
    """Return the route that serves the document. version: of the service."""
    routes = APIRouter(tags=["description"])

    @routes.get("/asyncapi")
    async def topics_and_messages() -> dict[str, Any]:
        """Describe the topics and their messages (AsyncAPI 3.0)."""
        return asyncapi_document(version)

    return routes


def asyncapi_document(version: str) -> dict[str, Any]:
    """Return the document. version: of the service."""
    by_topic = _by_topic()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Redletter",
            "version": version,
            "description": "Returns, reverses and reissues electronic invoices. CloudEvents 1.0 in the Kafka binding.",
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic, by_topic.get(topic.name, {})) for topic in _public()},
        "operations": {_verb(topic): _operation(topic, by_topic) for topic in _public()},
        "components": {
            "messages": {_title(name): _message(name, kind) for of in by_topic.values() for name, kind in of.items()},
            "schemas": _schemas(by_topic),
        },
    }


def _public() -> list[Topic]:
    return [topic for topic in TOPICS if topic.name != RELAY_TOPIC]


def _by_topic() -> dict[str, dict[str, type[BaseModel]]]:
    """Return the messages of each topic, by stored name."""
    found: dict[str, dict[str, type[BaseModel]]] = {channel.value: {} for channel in Channel}
    for name, command in COMMAND_TYPES.items():
        found[command.CHANNEL.value][name] = command
    return {
        **found,
        EVENTS_TOPIC: {**EVENT_TYPES},
        REPLIES_TOPIC: {**REPLY_TYPES},
        PARKED_TOPIC: {**NOTICE_TYPES},
        STATUS_TOPIC: {**STATUS_TYPES},
        TAX_REQUESTS_TOPIC: {**TAX_REQUEST_TYPES},
    }


def _title(name: str) -> str:
    return name.replace(".", "_")


def _verb(topic: Topic) -> str:
    return f"{'receive' if _is_taken(topic) else 'send'}:{topic.name}"


def _is_taken(topic: Topic) -> bool:
    return topic.name in {channel.value for channel in Channel}


def _channel(topic: Topic, messages: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"{_ABOUT[topic.name]} Written by: {_WRITERS[topic.name]}.",
        "messages": {_title(name): {"$ref": f"#/components/messages/{_title(name)}"} for name in messages},
        "bindings": {"kafka": {"topic": topic.name, "topicConfiguration": _configuration(topic)}},
    }


def _configuration(topic: Topic) -> dict[str, Any]:
    if topic.keep == "compacted":
        return {"cleanup.policy": ["compact"], "max.message.bytes": topic.largest}
    kept = int(topic.keep / timedelta(milliseconds=1)) if isinstance(topic.keep, timedelta) else -1
    return {"cleanup.policy": ["delete"], "retention.ms": kept, "max.message.bytes": topic.largest}


def _operation(topic: Topic, by_topic: Mapping[str, Mapping[str, type[BaseModel]]]) -> dict[str, Any]:
    taken = _is_taken(topic)
    messages = [{"$ref": f"#/channels/{topic.name}/messages/{_title(name)}"} for name in by_topic.get(topic.name, {})]
    operation: dict[str, Any] = {
        "action": "receive" if taken else "send",
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "messages": messages,
    }
    if taken:
        operation["bindings"] = {"kafka": {"groupId": {"type": "string", "enum": [WORKER_GROUP]}}}
        operation["reply"] = {
            "channel": {"$ref": f"#/channels/{REPLIES_TOPIC}"},
            "messages": [{"$ref": f"#/channels/{REPLIES_TOPIC}/messages/{_title(name)}"} for name in REPLY_TYPES],
        }
    return operation


def _message(name: str, kind: type[BaseModel]) -> dict[str, Any]:
    wanted = _OF_COMMANDS if name in COMMAND_TYPES else _OF_OURS
    wanted += ("ce_invoiceversion",) if name in EVENT_TYPES else ()
    headers = {
        header: schema for header, schema in _HEADERS.items() if header != "ce_invoiceversion" or name in EVENT_TYPES
    }
    fixed = {"ce_type": {"const": type_of(name)}, "ce_dataschema": {"const": schema_of(name)}}
    return {
        "name": type_of(name),
        "title": name.partition(".")[0],
        "summary": (kind.__doc__ or "").partition("\n")[0],
        "contentType": "application/json",
        "headers": {"type": "object", "properties": {**headers, **fixed}, "required": list(wanted)},
        "payload": {"$ref": f"#/components/schemas/{_title(name)}"},
        "correlationId": {"location": "$message.header#/ce_correlationid"},
        "bindings": {"kafka": {"key": {"type": "string", "description": "the invoice number, in UTF-8"}}},
    }


def _schemas(by_topic: Mapping[str, Mapping[str, type[BaseModel]]]) -> dict[str, Any]:
    """Return the schema of every body, and of what they have in common."""
    found: dict[str, Any] = {}
    for messages in by_topic.values():
        for name, kind in messages.items():
            # The parts of commands are closed, those of everything else open: they cannot go by the same name.
            within = "InCommand" if name in COMMAND_TYPES else ""
            schema = schemas.of(kind, ref_template=f"#/components/schemas/{{model}}{within}")
            found |= {f"{part}{within}": of for part, of in schema.pop("$defs", {}).items()}
            found[_title(name)] = schema
    return found
