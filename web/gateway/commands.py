"""The gateway: commands of customers over HTTP. The idempotency key is the command's id: a double click is one."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from time import time_ns
from typing import Annotated, Any, Literal, TypeVar, cast
from urllib.parse import quote

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, JsonValue
from pydantic_core import to_json
from starlette.requests import ClientDisconnect

from events import cloudevents, schemas
from events.catalogue import COMMAND_TYPES, json_of, name_of
from events.cloudevents import LONGEST_ID, is_source, traceparent_of
from events.command_bodies import read_body
from events.commands import RequestReissue, RequestReturn
from events.faults import Fault, Faults
from events.names import HTTP_SOURCES
from events.replies import CommandAccepted
from events.strict_json import parse
from transport import spans
from web.gateway.command_publisher import CommandPublisher, Pending, Reply, Unavailable
from web.http import examples
from web.http.identity import AsCaller, Caller
from web.http.min_version import check_number, not_found
from web.http.problems import Problem, described

LONGEST_BODY = 256 * 1024
"""Bytes of a command at most. Source: docs/contract.md#messages."""
_KEY_PATTERN = rf"[\x21-\x7e]([\x20-\x7e]{{0,{LONGEST_ID - 2}}}[\x21-\x7e])?"
_KEY = re.compile(_KEY_PATTERN)
_KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "The command's id. Sent again under the same key, the same command is answered as it was first.",
    "schema": {"type": "string", "pattern": f"^{_KEY_PATTERN}$"},
    "example": "click-1",
}
"""Read by hand: without it a command is malformed, as with any other bad field."""

CustomerCommand = RequestReturn | RequestReissue
AnyCustomerCommand = TypeVar("AnyCustomerCommand", bound=CustomerCommand)


class Underway(BaseModel):
    """The command is on its way.

    published: Kafka has confirmed it, and a reply will follow. unconfirmed: it was sent to Kafka, which has not
    confirmed it yet; sending it again with the same key does no harm. monitor: the address of the reply to it.
    """

    status: Literal["published", "unconfirmed"]
    command_id: str
    monitor: str


def router(publisher: CommandPublisher) -> APIRouter:
    """Return the routes of the commands that customers may send."""
    routes = APIRouter(prefix="/invoices/{number}", tags=["commands"])

    def route(
        path: str, kind: type[CustomerCommand], summary: str, example: Mapping[str, Any], refused: Mapping[str, Any]
    ) -> None:
        schema = {"application/json": {"schema": _schema(kind), "example": example}}

        @routes.post(
            path,
            responses=_answers(kind, refused),
            summary=summary,
            operation_id=name_of(kind).removesuffix(".v1"),
            openapi_extra={"parameters": [_KEY_HEADER], "requestBody": {"required": True, "content": schema}},
        )
        async def command(
            request: Request,
            caller: AsCaller,
            number: str,
            idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None,
        ) -> Response:
            """Publish the command, wait for its reply, and return it."""
            outcome = await publish_command(
                publisher, caller, kind, number, await body_of(request), idempotency_key, trace_of(request)
            )
            if isinstance(outcome, Underway):
                addresses = {"Location": status_address(number), "Link": f'<{outcome.monitor}>; rel="monitor"'}
                return JSONResponse(outcome.model_dump(), HTTPStatus.ACCEPTED, addresses)
            return JSONResponse(outcome)

    in_progress, reinvoiced = examples.IN_PROGRESS_EXAMPLE, examples.REINVOICED_EXAMPLE
    new_invoice = "Request a new invoice for charges of a returned one"
    route("/return", RequestReturn, "Request the return of an invoice", examples.RETURN_EXAMPLE, in_progress)
    route("/reissue", RequestReissue, new_invoice, examples.REISSUE_EXAMPLE, reinvoiced)
    return routes


def _answers(kind: type[CustomerCommand], refused: Mapping[str, Any]) -> dict[int | str, dict[str, Any]]:
    """Describe the answers to a command. refused: the reply that is the example of a refusal."""
    accepted = examples.ACCEPTED_EXAMPLES[kind.__name__]
    return {
        200: {
            "model": CommandAccepted,
            "description": "Accepted: the reply",
            "content": {"application/json": {"example": accepted}},
        },
        202: {
            "model": Underway,
            "description": "No reply yet: query the status at the address in Location, or the reply at that in Link",
        },
        **described(cut_off()),
        **described(_refused({**examples.NOT_FOUND_EXAMPLE, "command_type": accepted["command_type"]})),
        **described(_refused(refused), ", or any other refusal, with its code and details"),
        **described(malformed(key_faults("Idempotency-Key", None)), ", or a refusal because of the command's fields"),
        **described(_unavailable(), ": nothing was published; send it again"),
    }


def status_address(number: str) -> str:
    """Return where the status of an invoice is."""
    return f"/invoices/{number}/status"


def monitor_address(command_id: str, source: str | None) -> str:
    """Return where the reply to a command is, or will be."""
    query = "" if source is None else f"?source={quote(source, safe='')}"
    return f"/commands/{quote(command_id, safe='')}{query}"


def _schema(kind: type[CustomerCommand]) -> dict[str, Any]:
    """Return the JSON schema of the body: the command without the number, which is in the path."""
    schema = inlined_schema(kind)
    schema["properties"].pop("invoice_number")
    schema["required"] = [name for name in schema["required"] if name != "invoice_number"]
    return schema


def inlined_schema(kind: type[CustomerCommand]) -> dict[str, Any]:
    """Return the JSON schema of a command, without references."""
    schema = schemas.of(kind)
    defs: Mapping[str, Any] = schema.pop("$defs", {})
    return cast("dict[str, Any]", _inline(schema, defs))


def _inline(node: Any, defs: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """Inline the definitions, since references would not resolve within the OpenAPI document."""
    if isinstance(node, dict):
        known = cast("dict[str, Any]", node)
        if "$ref" in known:
            return _inline(defs[str(known["$ref"]).rpartition("/")[2]], defs)
        return {key: _inline(value, defs) for key, value in known.items()}
    return [_inline(one, defs) for one in cast("list[Any]", node)] if isinstance(node, list) else node


async def body_of(request: Request) -> bytes:
    """Read the body, up to `LONGEST_BODY`. Raises: Problem."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_BODY:
                raise malformed(Faults(Fault("data", f"must be at most {LONGEST_BODY // 1024} KiB")))
    except ClientDisconnect:
        raise cut_off() from None
    return bytes(body)


def cut_off() -> Problem:
    """Return the answer to a body whose end never came."""
    return Problem(HTTPStatus.BAD_REQUEST, "REQUEST_CUT_OFF", "The request body is incomplete.")


def object_of(body: bytes, faults: Faults) -> dict[str, JsonValue]:
    """Read a body that must be a JSON object. Raises: Problem MALFORMED_COMMAND with these faults and those of it."""
    try:
        given = parse(body)
    except ValueError as error:
        faults.add("data", str(error))
        raise malformed(faults) from None
    if not isinstance(given, dict):
        faults.add("data", "must be a JSON object")
        raise malformed(faults)
    return given


def key_faults(field: str, key: JsonValue) -> Faults:
    """Return what is wrong with the id of a command, which a field holds."""
    if isinstance(key, str) and _KEY.fullmatch(key):
        return Faults()
    return Faults(Fault(field, f"must be 1 to {LONGEST_ID} printable ASCII characters, new for each command"))


def command_of(kind: type[AnyCustomerCommand], whole: dict[str, JsonValue], faults: Faults) -> AnyCustomerCommand:
    """Read a command. Raises: Problem MALFORMED_COMMAND with these faults and those of its body."""
    command = read_body(kind, whole, to_json(whole))
    if isinstance(command, Faults):
        faults.join(command)
        raise malformed(faults)
    if faults:
        raise malformed(faults)
    return command


def malformed(faults: Faults) -> Problem:
    """Return the answer to what cannot be read as a command."""
    listed: list[JsonValue] = [{"field": fault.field, "message": fault.message} for fault in faults]
    detail = "The command is malformed; nothing was published. Correct it and send it again."
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "MALFORMED_COMMAND", detail, details={"faults": listed}, faults=listed
    )


def trace_of(request: Request) -> str | None:
    """Return the trace context of a request, if it has a good one."""
    return traceparent_of(request.headers.get("traceparent"))


async def publish_command(  # noqa: PLR0913, PLR0917 - what an HTTP request with a command consists of
    publisher: CommandPublisher,
    caller: Caller,
    kind: type[CustomerCommand],
    number: str,
    body: bytes,
    key: str | None,
    traceparent: str | None,
) -> Reply | Underway:
    """Publish a customer's command, and return the reply that accepts it, or `Underway` when none came in time.

    body: JSON, without the number. Raises: Problem with the code of the refusal, or MALFORMED_COMMAND.
    """
    check_number(number)
    faults = key_faults("Idempotency-Key", key)
    given = object_of(body, faults)
    if "invoice_number" in given:
        faults.add("invoice_number", "must be given in the path only")
    command = command_of(kind, {**given, "invoice_number": number}, faults)
    return await publish(publisher, caller, command, key or "", traceparent)


def source_of(account_id: str) -> str:
    """Return the CloudEvents source of an account's commands; too long an id is replaced by its digest."""
    if is_source(source := f"{HTTP_SOURCES}{quote(account_id, safe='')}"):
        return source
    return f"{HTTP_SOURCES}{sha256(account_id.encode()).hexdigest()}"


async def publish(
    publisher: CommandPublisher, caller: Caller, command: CustomerCommand, key: str, traceparent: str | None
) -> Reply | Underway:
    """Publish a caller's command, and return the reply that accepts it, or `Underway` when none came in time.

    Raises: Problem with the code of the refusal, or COMMANDS_UNAVAILABLE; INVOICE_NOT_FOUND for another's account.
    """
    if not caller.sees(command.account_id):
        raise not_found()
    if caller.subject is not None:
        command = command.but(requested_by=caller.subject)
    number, name, source = command.invoice_number, name_of(type(command)), source_of(command.account_id)
    begun, (step, carried) = time_ns(), spans.publication(name.partition(".")[0], key, traceparent)
    headers = cloudevents.headers(
        id=key,
        source=source,
        name=name,
        subject=number,
        time=datetime.now(UTC),
        correlation=key,
        causation=None,
        traceparent=carried,
    )
    try:
        reply = await publisher.publish(
            COMMAND_TYPES[name].CHANNEL.value, key, number.encode(), json_of(command), headers
        )
    except Unavailable:
        raise _unavailable() from None
    spans.record([step], begun)
    if isinstance(reply, Pending):
        status = "published" if reply.published else "unconfirmed"
        return Underway(status=status, command_id=key, monitor=monitor_address(key, source))
    if "code" in reply:
        raise _refused(reply)
    return reply


def _unavailable() -> Problem:
    detail = "Commands cannot be accepted right now. Send it again with the same key."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "COMMANDS_UNAVAILABLE", detail)


def _refused(reply: Mapping[str, Any]) -> Problem:
    """Return a refusal as a problem document with everything that the reply says."""
    facts = {name: value for name, value in reply.items() if name not in {"code", "message"}}
    return Problem(_status(reply), reply["code"], reply["message"], **facts)


def _status(reply: Mapping[str, Any]) -> HTTPStatus:
    if reply["code"] == "INVOICE_NOT_FOUND":
        return HTTPStatus.NOT_FOUND
    # Only a refusal because of the command's own fields has a list of faults.
    return HTTPStatus.UNPROCESSABLE_ENTITY if "faults" in reply["details"] else HTTPStatus.CONFLICT
