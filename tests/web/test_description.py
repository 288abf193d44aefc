"""The api serves the contract for machines."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from events.asyncapi.document import asyncapi_document
from events.schemas import TYPES, schema
from web.api import asyncapi
from web.http import problems


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(asyncapi.router("1.2.3"))
    problems.install(app)
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
