"""The description of the topics and the schemas of their messages, for machines."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter

from events.asyncapi.document import asyncapi_document
from events.schemas import TYPES, schema
from web.http.problems import Problem, described


def router(version: str) -> APIRouter:
    """Return the routes that serve them. version: of the service."""
    routes = APIRouter(tags=["description"])

    @routes.get("/asyncapi.json", responses=_example({"asyncapi": "3.0.0", "info": {"title": "Redletter"}}))
    async def topics_and_messages() -> dict[str, Any]:
        """Describe the topics and their messages (AsyncAPI 3.0)."""
        return asyncapi_document(version)

    @routes.get(
        "/schemas/{name}.json", responses={**_example(schema("CancelReturn.v1")), **described(_no_such_message())}
    )
    async def schema_of_a_message(name: str) -> dict[str, Any]:
        """Return the JSON Schema of a message by its name and version, such as RequestReturn.v1."""
        if name not in TYPES:
            raise _no_such_message()
        return schema(name)

    return routes


def _example(document: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {"application/json": {"example": document}}}}


def _no_such_message() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "SCHEMA_UNKNOWN", "There is no message of this name and version.")
