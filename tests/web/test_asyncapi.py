"""The api serves the contract, for machines and for people."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from events.asyncapi.document import asyncapi_document
from events.schemas import EXAMPLES, TYPES, schema
from rules.calendar import MAINLAND_CHINA
from web.api import asyncapi
from web.console import topics
from web.console.rendering import POLICY, pages
from web.http import problems


@pytest.fixture(scope="module")
def app() -> FastAPI:
    app = FastAPI()
    app.include_router(asyncapi.router("1.2.3"))
    app.include_router(topics.router(pages(lambda: None, timedelta(), MAINLAND_CHINA), "1.2.3"))
    problems.install(app)
    return app


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        yield client


async def test_the_topics_are_served_as_asyncapi(http: httpx.AsyncClient) -> None:
    assert (await http.get("/asyncapi.json")).json() == asyncapi_document("1.2.3")


@pytest.mark.parametrize("name", TYPES)
async def test_every_schema_is_served_under_its_name(http: httpx.AsyncClient, name: str) -> None:
    assert (await http.get(f"/schemas/{name}.json")).json() == schema(name)


async def test_a_schema_that_there_is_not_is_a_problem_with_a_code(http: httpx.AsyncClient) -> None:
    answer = await http.get("/schemas/RequestReturn.v9.json")
    assert (answer.status_code, answer.json()["code"]) == (404, "SCHEMA_UNKNOWN")


async def test_people_see_every_topic_and_a_link_to_each_of_its_messages(http: httpx.AsyncClient) -> None:
    page = await http.get("/asyncapi")
    assert (page.headers["content-type"], page.headers["content-security-policy"]) == (
        "text/html; charset=utf-8",
        POLICY,
    )
    document = asyncapi_document("1.2.3")
    assert [name for name in document["channels"] if f"<code>{name}</code>" not in page.text] == []
    linked = re.findall(r'href="/asyncapi/([^"]+)"', page.text)
    assert sorted(linked) == sorted([*TYPES, "DeadLetter"])


def paths(schema: dict[str, Any], node: dict[str, Any], within: str = "") -> Iterator[str]:
    """Yield the path of every field of a schema, at whatever depth."""
    node = schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    for name, inner in node.get("properties", {}).items():
        path = f"{within}{name}" + ("[]" if "items" in inner else "")
        yield path
        yield from paths(schema, inner.get("items", inner), f"{path}.")


@pytest.mark.parametrize("name", TYPES)
async def test_the_page_of_a_message_has_each_of_its_fields_and_its_examples(
    http: httpx.AsyncClient, name: str
) -> None:
    page = unescape((await http.get(f"/asyncapi/{name}")).text)
    assert [path for path in paths(schema(name), schema(name)) if f"<code>{path}</code>" not in page] == []
    for example in EXAMPLES.glob(f"{name}.*.json"):
        assert json.dumps(json.loads(example.read_bytes()), ensure_ascii=False, indent=2) in page


async def test_a_command_is_shown_in_either_mode(http: httpx.AsyncClient) -> None:
    page = unescape((await http.get("/asyncapi/RequestReturn.v1")).text)
    assert "ce_type: redletter.invoice.RequestReturn.v1\n" in page
    assert "content-type: application/cloudevents+json\n" in page


async def test_a_message_that_there_is_not_has_a_page_that_says_so(http: httpx.AsyncClient) -> None:
    answer = await http.get("/asyncapi/RequestReturn.v9")
    assert (answer.status_code, "Page not found." in answer.text) == (404, True)
