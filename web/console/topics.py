"""The topics and their messages, for people who write programs: the AsyncAPI document as pages."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response

from events.asyncapi.document import asyncapi_document
from web.console.error_pages import problems_as_pages
from web.console.rendering import Pages
from web.http.problems import Problem

_Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DescribedField:
    """A header, or a field of a body at whatever depth.

    path: such as ``charges[].amount``. kind: what its type is called. values: those it may have, or the known ones.
    """

    path: str
    kind: str
    required: bool
    meaning: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DescribedMessage:
    """A message on a topic. name: the stored name, None where there is no schema. examples: whole records, as text."""

    key: str
    name: str | None
    type: str
    title: str
    meaning: str
    headers: tuple[DescribedField, ...]
    body: tuple[DescribedField, ...]
    examples: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DescribedTopic:
    """A topic. taken: whether Redletter reads it; it writes the others. kept: days, None for ever."""

    address: str
    meaning: str
    taken: bool
    compacted: bool
    kept: int | None
    messages: tuple[DescribedMessage, ...]


def router(pages: Pages, version: str) -> APIRouter:
    """Return the pages. version: of the service."""
    routes = APIRouter(include_in_schema=False, route_class=problems_as_pages(pages))
    document = asyncapi_document(version)
    topics = tuple(described_topics(document))
    places = {message.key: (topic, message) for topic in topics for message in topic.messages}

    @routes.get("/asyncapi")
    async def overview(request: Request) -> Response:
        return pages.show(request, "topics.html", about=document["info"], topics=topics)

    @routes.get("/asyncapi/{key}")
    async def message(request: Request, key: str) -> Response:
        if key not in places:
            raise Problem(HTTPStatus.NOT_FOUND, "NOT_FOUND", "There is no such message.")
        topic, found = places[key]
        return pages.show(request, "message.html", topic=topic, message=found)

    return routes


def described_topics(document: _Node) -> Iterator[DescribedTopic]:
    """Yield the topics of an AsyncAPI document: first those that Redletter reads."""
    for action in ("receive", "send"):
        for operation in document["operations"].values():
            if operation["action"] == action:
                yield _topic(document, _at(document, operation["channel"]["$ref"]), taken=action == "receive")


_MILLISECONDS_A_DAY = 24 * 3600 * 1000


def _topic(document: _Node, channel: _Node, *, taken: bool) -> DescribedTopic:
    configuration = channel["bindings"]["kafka"]["topicConfiguration"]
    kept = configuration.get("retention.ms", -1)
    return DescribedTopic(
        channel["address"],
        channel["description"],
        taken,
        compacted="compact" in configuration["cleanup.policy"],
        kept=None if kept == -1 else kept // _MILLISECONDS_A_DAY,
        messages=tuple(
            _message(document, channel, key) for key in channel["messages"] if not key.endswith("_structured")
        ),
    )


def _message(document: _Node, channel: _Node, key: str) -> DescribedMessage:
    messages = document["components"]["messages"]
    message = messages[key]
    schema = _resolved(document, message["payload"])
    also = messages.get(f"{key}_structured", {}).get("examples", ())
    return DescribedMessage(
        key.replace("_", "."),
        key.replace("_", ".") if "properties" in schema else None,
        message["name"],
        message["title"],
        " ".join(message[words] for words in ("summary", "description") if words in message),
        tuple(_fields(document, message["headers"])),
        tuple(_fields(document, schema)),
        {example["name"]: _record(channel["address"], example) for example in (*message["examples"], *also)},
    )


def _fields(document: _Node, schema: _Node, within: str = "") -> Iterator[DescribedField]:
    required = schema.get("required", ())
    for name, written in schema.get("properties", {}).items():
        listed = written.get("type") == "array"
        path = f"{within}{name}{'[]' if listed else ''}"
        of = _resolved(document, written["items"] if listed else written)
        meaning = written.get("description", of.get("description", ""))
        yield DescribedField(path, _kind(of), name in required, meaning, _values(of))
        yield from _fields(document, of, f"{path}.")


def _kind(schema: _Node) -> str:
    named: str = schema.get("title", schema.get("format", schema.get("type", "string")))
    return named.removesuffix("InCommand")  # which sets the closed parts of commands apart


def _values(schema: _Node) -> tuple[str, ...]:
    return (schema["const"],) if "const" in schema else tuple(schema.get("enum", schema.get("examples", ())))


def _resolved(document: _Node, schema: _Node) -> _Node:
    return _at(document, schema["$ref"]) if "$ref" in schema else schema


def _at(document: _Node, reference: str) -> _Node:
    found = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def _record(topic: str, example: _Node) -> str:
    """Write a record as text: its topic, key and headers, and its value."""
    body = example["payload"]
    value = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, indent=2)
    key = body.get("data", body).get("invoice_number") if isinstance(body, dict) else None
    lines = [f"topic: {topic}", *([f"key: {key}"] if key else [])]
    return "\n".join([*lines, *(f"{name}: {text}" for name, text in example["headers"].items()), "", value])
