"""The description of the topics holds every message, where it belongs, with all that is in a record."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from events import envelopes
from events.asyncapi.document import asyncapi_document
from events.catalogue import COMMAND_TYPES, EVENT_TYPES, REPLY_TYPES, json_of, type_of
from events.command_bodies import read_body
from events.commands import Command
from events.schemas import EXAMPLES, TYPES
from events.topics import TOPICS

DOCUMENT = asyncapi_document("1.2.3")
MESSAGES = DOCUMENT["components"]["messages"]
COMMAND_TOPICS = [name for name in DOCUMENT["channels"] if name.startswith("invoice.commands")]


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


def of(name: str) -> dict[str, Any]:
    return MESSAGES[name.replace(".", "_")]


def test_every_message_is_on_one_topic_and_a_command_in_both_modes() -> None:
    on = Counter(
        resolve(message["$ref"])["name"]
        for channel in DOCUMENT["channels"].values()
        for message in channel["messages"].values()
    )
    structured = Counter(f"{type_of(name)}.structured" for name in COMMAND_TYPES)
    assert on == Counter(map(type_of, TYPES)) + structured + Counter(["redletter.DeadLetter"])


def test_every_topic_but_the_relays_own_is_described_with_who_writes_it_and_how_it_is_kept() -> None:
    assert set(DOCUMENT["channels"]) == {topic.name for topic in TOPICS} - {"redletter.relay"}
    for name, channel in DOCUMENT["channels"].items():
        assert "Written by:" in channel["description"]
        assert channel["messages"], f"no message on {name}"
        assert channel["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"]


def test_every_reference_leads_somewhere() -> None:
    found = set(refs(DOCUMENT))
    assert len(found) > 100
    assert all(isinstance(resolve(ref), dict) for ref in found)


@pytest.mark.parametrize("name", TYPES)
def test_a_message_describes_its_headers_key_and_body(name: str) -> None:
    message = of(name)
    required = set(message["headers"]["required"])
    assert {"ce_specversion", "ce_id", "ce_source", "ce_type"} <= required
    assert ("ce_invoiceversion" in required) == (name in EVENT_TYPES)
    assert message["headers"]["properties"]["ce_type"] == {"const": type_of(name)}
    assert message["bindings"]["kafka"]["key"]["type"] == "string"
    assert resolve(message["payload"]["$ref"])["type"] == "object"
    assert message["summary"]


@pytest.mark.parametrize("name", TYPES)
def test_its_examples_are_the_approved_bytes_under_the_headers_that_are_written(name: str) -> None:
    examples = of(name)["examples"]
    bodies = [json.dumps(example["payload"], ensure_ascii=False, separators=(",", ":")) for example in examples]
    assert [body.encode() for body in bodies] == [file.read_bytes() for file in sorted(EXAMPLES.glob(f"{name}.*"))]
    for example in examples:
        assert set(of(name)["headers"]["required"]) <= set(example["headers"])
        assert set(example["headers"]) <= set(of(name)["headers"]["properties"])


@pytest.mark.parametrize("name", COMMAND_TYPES)
def test_the_example_of_a_command_is_read_as_the_same_command_in_both_modes(name: str) -> None:
    binary, structured = of(name)["examples"], MESSAGES[f"{name.replace('.', '_')}_structured"]["examples"]
    for one, other in zip(binary, structured, strict=True):
        headers = [(header, value.encode()) for header, value in one["headers"].items()]
        in_headers = envelopes.read(headers, json.dumps(one["payload"]).encode())
        content_type = [(header, value.encode()) for header, value in other["headers"].items()]
        in_value = envelopes.read(content_type, json.dumps(other["payload"]).encode())
        for envelope in (in_headers, in_value):
            assert not envelope.faults
            assert (envelope.id, envelope.type) == ("command-1", type_of(name))
            assert envelope.data is not None
            command = read_body(COMMAND_TYPES[name], json.loads(envelope.data), envelope.data)
            assert isinstance(command, Command)
            assert json.loads(json_of(command)) == one["payload"]


@pytest.mark.parametrize("topic", COMMAND_TOPICS)
def test_commands_are_answered_on_the_topic_of_replies(topic: str) -> None:
    operation = DOCUMENT["operations"][f"receive:{topic}"]
    assert operation["action"] == "receive"
    assert operation["reply"]["channel"] == {"$ref": "#/channels/invoice.replies"}
    assert operation["bindings"]["kafka"]["groupId"]["enum"] == ["redletter.worker"]


def test_a_reply_is_found_by_the_id_of_its_command() -> None:
    """The correlation id would not do: replies to the tax side carry that of the journey."""
    for name in REPLY_TYPES:
        assert of(name)["correlationId"]["location"] == "$message.header#/ce_causationid"
        assert "ce_causationid" in of(name)["headers"]["required"]
    for name in COMMAND_TYPES:
        assert of(name)["correlationId"]["location"] == "$message.header#/ce_id"


def test_the_tax_connector_is_told_where_its_answers_go() -> None:
    reply = DOCUMENT["operations"]["send:tax.requests"]["reply"]
    assert reply["channel"] == {"$ref": "#/channels/invoice.commands.tax"}
    assert {"$ref": "#/channels/invoice.commands.tax/messages/RecordCreditNote_v1"} in reply["messages"]
