"""The description of the topics holds every message, where it belongs, with all that is in a record."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from events.catalogue import (
    COMMAND_TYPES,
    EVENT_TYPES,
    NOTICE_TYPES,
    REPLY_TYPES,
    STATUS_TYPES,
    TAX_REQUEST_TYPES,
    type_of,
)
from events.topics import TOPICS
from web.api.asyncapi import asyncapi_document

DOCUMENT = asyncapi_document("1.2.3")
ALL = {**COMMAND_TYPES, **EVENT_TYPES, **REPLY_TYPES, **NOTICE_TYPES, **STATUS_TYPES, **TAX_REQUEST_TYPES}


def refs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from refs(value)
    if isinstance(node, list):
        for one in node:
            yield from refs(one)


def resolve(ref: str) -> Any:
    node: Any = DOCUMENT
    for step in ref.removeprefix("#/").split("/"):
        node = node[step]
    return node


def test_every_message_stands_on_one_topic() -> None:
    on = Counter(
        resolve(message["$ref"])["name"]
        for channel in DOCUMENT["channels"].values()
        for message in channel["messages"].values()
    )
    assert on == Counter(type_of(name) for name in ALL)


def test_every_topic_but_the_relays_own_is_described_with_who_writes_it() -> None:
    assert set(DOCUMENT["channels"]) == {topic.name for topic in TOPICS} - {"redletter.relay"}
    assert all("Written by:" in channel["description"] for channel in DOCUMENT["channels"].values())


def test_every_reference_leads_somewhere() -> None:
    found = set(refs(DOCUMENT))
    assert len(found) > 100
    assert all(isinstance(resolve(ref), dict) for ref in found)


@pytest.mark.parametrize("name", ALL)
def test_a_message_describes_its_headers_key_and_body(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name.replace(".", "_")]
    required = set(message["headers"]["required"])
    assert {"ce_specversion", "ce_id", "ce_source", "ce_type"} <= required
    assert ("ce_invoiceversion" in required) == (name in EVENT_TYPES)
    assert message["headers"]["properties"]["ce_type"] == {"const": type_of(name)}
    assert message["bindings"]["kafka"]["key"]["type"] == "string"
    assert resolve(message["payload"]["$ref"])["type"] == "object"
    assert message["summary"]


@pytest.mark.parametrize("topic", [name for name in DOCUMENT["channels"] if name.startswith("invoice.commands")])
def test_commands_are_answered_on_the_topic_of_replies(topic: str) -> None:
    operation = DOCUMENT["operations"][f"receive:{topic}"]
    assert operation["action"] == "receive"
    assert operation["reply"]["channel"] == {"$ref": "#/channels/invoice.replies"}
    assert operation["bindings"]["kafka"]["groupId"]["enum"] == ["redletter.worker"]
