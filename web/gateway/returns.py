"""Returns of many invoices in one request: each is a command of its own, published and answered beside the others."""

import asyncio
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, JsonValue

from events.commands import RequestReturn
from events.faults import MAX_ECHOED_CHARACTERS, Fault, Faults, cut
from events.replies import CommandAccepted
from web.gateway.command_publisher import CommandPublisher
from web.gateway.commands import (
    Underway,
    body_of,
    command_of,
    cut_off,
    inlined_schema,
    key_faults,
    malformed,
    object_of,
    publish,
    status_address,
    trace_of,
)
from web.http import examples
from web.http.identity import AsCaller, Caller
from web.http.problems import Problem, ProblemDocument, described
from web.http.reading import written

MAX_ITEMS = 100
"""Returns of a request at most."""


class ReturnOutcome(BaseModel):
    """What became of one item.

    status: of the answer that the same command would have had alone. Beside it stands that answer: reply (200),
    underway and location (202: query the address in it), or problem.
    """

    invoice_number: str | None = None
    command_id: str | None = None
    status: int
    reply: CommandAccepted | None = None
    underway: Underway | None = None
    location: str | None = None
    problem: ProblemDocument | None = None


class ReturnOutcomes(BaseModel):
    """The outcome of each item, in the order of the items."""

    items: list[ReturnOutcome]


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": ReturnOutcomes, "description": "The outcome of each item, in order"},
    **described(cut_off()),
    **described(
        malformed(Faults(Fault("items", f"must be a list of 1 to {MAX_ITEMS} returns"))),
        ": no list of returns; nothing published",
    ),
}


def router(publisher: CommandPublisher) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["commands"])
    body = {"application/json": {"schema": _schema(), "example": examples.RETURNS_REQUEST_EXAMPLE}}

    @routes.post(
        "/returns",
        responses=_ANSWERS,
        response_class=Response,
        summary="Request the return of up to 100 invoices",
        operation_id="RequestReturns",
        openapi_extra={"requestBody": {"required": True, "content": body}},
    )
    async def request_returns(request: Request, caller: AsCaller) -> Response:
        """Publish every item that is a command, wait for the replies together, and list what became of each."""
        items, trace = _items(await body_of(request)), trace_of(request)
        outcomes = await asyncio.gather(*(_outcome(publisher, caller, item, trace) for item in items))
        return Response(written(ReturnOutcomes(items=outcomes)), media_type="application/json")

    return routes


def _schema() -> dict[str, Any]:
    item = inlined_schema(RequestReturn)
    item["properties"]["command_id"] = {
        "type": "string",
        "minLength": 1,
        "maxLength": 128,
        "description": "The command's id: what the header Idempotency-Key is to a single return",
    }
    item["required"] = [*item["required"], "command_id"]
    items = {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": item}
    return {"type": "object", "properties": {"items": items}, "required": ["items"], "additionalProperties": False}


def _items(body: bytes) -> list[JsonValue]:
    """Return the items as they were sent. Raises: Problem MALFORMED_COMMAND."""
    given = object_of(body, Faults())
    faults = Faults()
    faults.add_all(Fault(name, "is not known here") for name in given if name != "items")
    items = given.get("items")
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
        faults.add("items", f"must be a list of 1 to {MAX_ITEMS} returns")
        raise malformed(faults)
    if faults:
        raise malformed(faults)
    return items


async def _outcome(publisher: CommandPublisher, caller: Caller, item: JsonValue, trace: str | None) -> ReturnOutcome:
    """Publish one item and return what became of it; whatever is wrong with it concerns no other."""
    given = item if isinstance(item, dict) else {}
    outcome = ReturnOutcome(
        invoice_number=_echoed(given.get("invoice_number")),
        command_id=_echoed(given.get("command_id")),
        status=HTTPStatus.OK,
    )
    try:
        command, key = _read(item)
        reply = await publish(publisher, caller, command, key, trace)
    except Problem as problem:
        document = ProblemDocument.model_validate(problem.document())
        return outcome.model_copy(update={"status": problem.status.value, "problem": document})
    if isinstance(reply, Underway):
        location = status_address(command.invoice_number)
        return outcome.model_copy(update={"status": HTTPStatus.ACCEPTED.value, "underway": reply, "location": location})
    return outcome.model_copy(update={"reply": CommandAccepted.model_validate(reply)})


def _read(item: JsonValue) -> tuple[RequestReturn, str]:
    """Return the command of an item, and its id. Raises: Problem MALFORMED_COMMAND."""
    if not isinstance(item, dict):
        raise malformed(Faults(Fault("data", "must be a JSON object")))
    key = item.get("command_id")
    body = {name: value for name, value in item.items() if name != "command_id"}
    return command_of(RequestReturn, body, key_faults("command_id", key)), str(key)


def _echoed(value: JsonValue) -> str | None:
    return cut(value, MAX_ECHOED_CHARACTERS) if isinstance(value, str) else None
