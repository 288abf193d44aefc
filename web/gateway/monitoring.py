"""What became of a command: the first reply to it, or that none has come yet."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict

from events.cloudevents import is_id, is_source
from events.names import HTTP_SOURCES
from events.replies import CommandAccepted, CommandRefused
from events.topics import Channel
from events.values import AccountId
from projections.replies import queries as replies
from projections.replies.queries import CommandKey, KnownCommand
from web.gateway.commands import Underway, monitor_address, source_of
from web.gateway.unanswered import Unanswered, Unknowable
from web.http import examples
from web.http.parameters import QueryRoute
from web.http.problems import NOT_MODIFIED, QUERY_PROBLEMS, Problem, described
from web.http.reading import Reader, answer

ASK_AGAIN_AFTER = 1
"""Seconds, as an answer says to whom asks too early."""


def _good_source(text: str) -> str:
    if is_source(text):
        return text
    msg = "must be a URI reference"
    raise ValueError(msg)


class CommandQuery(BaseModel):
    """Whose command. source: that of a command that did not come over HTTP."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[str, AfterValidator(_good_source)] | None = None
    account_id: AccountId | None = None


def _unknown() -> Problem:
    detail = "No such command has come within the last 7 days. Sent again under its id, it is carried out once."
    return Problem(HTTPStatus.NOT_FOUND, "COMMAND_UNKNOWN", detail)


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": CommandAccepted | CommandRefused,
        "description": "The reply, whether it accepts or refuses",
        "content": {"application/json": {"example": examples.ACCEPTED_EXAMPLE}},
    },
    202: {"model": Underway, "description": "The command has come, and its reply has not: ask again"},
    **NOT_MODIFIED,
    **described(_unknown()),
    **QUERY_PROBLEMS,
}


def router(reader: Reader, bootstrap: str) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["commands"], route_class=QueryRoute)
    over_http = Unanswered(reader, bootstrap, (Channel.CUSTOMER.value,))
    by_anyone = Unanswered(reader, bootstrap, tuple(channel.value for channel in Channel))

    @routes.get("/commands/{command_id:path}", responses=_ANSWERS, response_class=Response)
    async def command(request: Request, command_id: str, query: Annotated[CommandQuery, Query()]) -> Response:
        """Show the first reply to a command that came over HTTP, or with `source` to anyone's.

        A reply is kept for 7 days. Where several accounts have used one id, `account_id` says whose command is meant.
        """
        source = _source(command_id, query)
        unanswered = over_http if source is None or source.startswith(HTTP_SOURCES) else by_anyone
        key = CommandKey(command_id, source, unanswered.topics)

        async def find() -> KnownCommand | None:
            return await reader.read(lambda connection: replies.of(connection, key))

        found = await find()
        if found is None and not await _waits(unanswered, key) and (found := await find()) is None:
            raise _unknown()
        return answer(request, found.reply) if found and found.reply else _underway(command_id, source)

    return routes


def _underway(command_id: str, source: str | None) -> Response:
    underway = Underway(status="published", command_id=command_id, monitor=monitor_address(command_id, source))
    return JSONResponse(underway.model_dump(), HTTPStatus.ACCEPTED, {"Retry-After": str(ASK_AGAIN_AFTER)})


def _source(command_id: str, query: CommandQuery) -> str | None:
    """Return the source that is meant; None is any account's. Raises: Problem COMMAND_UNKNOWN where none can be."""
    own = source_of(query.account_id) if query.account_id else None
    if not is_id(command_id) or (own and query.source not in (None, own)):
        raise _unknown()
    return own or query.source


async def _waits(unanswered: Unanswered, key: CommandKey) -> bool:
    """Return whether the command waits for its reply. Raises: Problem READ_MODEL_UNAVAILABLE."""
    try:
        return await unanswered.holds(key)
    except Unknowable:
        detail = "Whether this command waits for its reply cannot be known right now; ask again."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "READ_MODEL_UNAVAILABLE", detail) from None
