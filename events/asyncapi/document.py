"""The AsyncAPI document: servers, channels, operations, and the schemas that the messages share."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from events import schemas
from events.asyncapi.messages import SCHEMA_REFERENCE, envelopes, message_key, messages, structured_key
from events.catalogue import (
    COMMAND_TYPES,
    EVENT_TYPES,
    NOTICE_TYPES,
    REPLY_TYPES,
    STATUS_TYPES,
    TAX_REQUEST_TYPES,
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

_COMMAND_TOPICS = tuple(channel.value for channel in Channel)
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
        _COMMAND_TOPICS,
        "Commands, in binary or structured mode. A type is taken from its own topic only: that is the trust boundary.",
    ),
    EVENTS_TOPIC: "What happened, in order for each invoice, exactly once for those who read committed records only.",
    REPLIES_TOPIC: "One reply to every readable command record; ce_causationid is the command's id.",
    DEAD_LETTERS_TOPIC: "Records that are not readable commands, byte for byte; dl_ headers say why and from where.",
    PARKED_TOPIC: "Commands that wait because Redletter failed to decide one of their invoice, and their release.",
    STATUS_TOPIC: "The newest status document of each invoice (compacted). It may repeat, and never goes back.",
    TAX_REQUESTS_TOPIC: "What the tax connector is asked. Repeated under the same id until it is answered.",
}
_ANSWERS = (
    "ConfirmRedFontForm.v1",
    "RejectRedFontForm.v1",
    "RecordCreditNote.v1",
    "CompleteReturn.v1",
    "ReportReversalFailure.v1",
)
"""With which the tax connector answers requests."""


def asyncapi_document(version: str) -> dict[str, Any]:
    """Return the document. version: of the service."""
    topics = [topic for topic in TOPICS if topic.name != RELAY_TOPIC]
    return {
        "asyncapi": "3.0.0",
        "id": "urn:redletter",
        "info": {
            "title": "Redletter",
            "version": version,
            "description": "Returns, reverses and reissues electronic invoices. CloudEvents 1.0 in the Kafka binding.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": _SERVER},
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": dict(_operation(topic) for topic in topics),
        "components": {"messages": messages(), "schemas": {**_schemas(), **envelopes()}},
    }


_SERVER = {
    "host": "{bootstrap_servers}",
    "protocol": "kafka",
    "description": "The Kafka cluster of an installation. Read with isolation.level=read_committed.",
    "variables": {
        "bootstrap_servers": {
            "default": "localhost:9092",
            "description": "What REDLETTER_KAFKA_BOOTSTRAP_SERVERS names; `redletter up` prints it.",
        }
    },
}


def _messages_on(topic: str) -> list[str]:
    """Return the keys of a topic's messages. Commands come in either mode."""
    if topic in _COMMAND_TOPICS:
        names = [name for name, command in COMMAND_TYPES.items() if command.CHANNEL.value == topic]
        return [*map(message_key, names), *map(structured_key, names)]
    by_topic: Mapping[str, Iterable[str]] = {
        EVENTS_TOPIC: EVENT_TYPES,
        REPLIES_TOPIC: REPLY_TYPES,
        PARKED_TOPIC: NOTICE_TYPES,
        STATUS_TOPIC: STATUS_TYPES,
        TAX_REQUESTS_TOPIC: TAX_REQUEST_TYPES,
    }
    return [message_key(name) for name in by_topic[topic]] if topic in by_topic else ["DeadLetter"]


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"{_ABOUT[topic.name]} Written by: {_WRITERS[topic.name]}.",
        "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in _messages_on(topic.name)},
        "bindings": {"kafka": {"topic": topic.name, "topicConfiguration": _configuration(topic)}},
    }


def _configuration(topic: Topic) -> dict[str, Any]:
    if topic.keep == "compacted":
        return {"cleanup.policy": ["compact"], "max.message.bytes": topic.largest}
    kept = int(topic.keep / timedelta(milliseconds=1)) if isinstance(topic.keep, timedelta) else -1
    return {"cleanup.policy": ["delete"], "retention.ms": kept, "max.message.bytes": topic.largest}


def _operation(topic: Topic) -> tuple[str, dict[str, Any]]:
    taken = topic.name in _COMMAND_TOPICS
    operation: dict[str, Any] = {
        "action": "receive" if taken else "send",
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "messages": _referred(topic.name, _messages_on(topic.name)),
    }
    if taken:
        operation["bindings"] = {"kafka": {"groupId": {"type": "string", "enum": [WORKER_GROUP]}}}
        operation["reply"] = _reply(REPLIES_TOPIC, _messages_on(REPLIES_TOPIC))
    if topic.name == TAX_REQUESTS_TOPIC:
        operation["reply"] = _reply(Channel.TAX.value, [message_key(name) for name in _ANSWERS])
    return f"{operation['action']}:{topic.name}", operation


def _reply(topic: str, keys: Iterable[str]) -> dict[str, Any]:
    return {"channel": {"$ref": f"#/channels/{topic}"}, "messages": _referred(topic, keys)}


def _referred(topic: str, keys: Iterable[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/{topic}/messages/{key}"} for key in keys]


def _schemas() -> dict[str, Any]:
    """Return the schema of every body, and of what they have in common."""
    found: dict[str, Any] = {}
    for name, kind in schemas.TYPES.items():
        schema = schemas.of(kind)
        parts: dict[str, Any] = schema.pop("$defs")
        # The objects in commands are closed, those in everything else open: they cannot go by the same name.
        closed = {part for part, of in parts.items() if of.get("additionalProperties") is False}
        called = {part: f"{part}InCommand" if part in closed else part for part in parts}
        found |= {called[part]: {**_moved(of, called), "title": called[part]} for part, of in parts.items()}
        found[message_key(name)] = _moved(schema, called)
    return found


def _moved(node: Any, called: Mapping[str, str]) -> Any:  # noqa: ANN401 - any part of a schema
    """Refer to the parts where they stand in the document."""
    if isinstance(node, list):
        return [_moved(one, called) for one in node]
    if not isinstance(node, dict):
        return node
    if isinstance(ref := node.get("$ref"), str):
        return {"$ref": SCHEMA_REFERENCE.format(model=called[ref.rpartition("/")[2]])}
    return {key: _moved(value, called) for key, value in node.items()}
