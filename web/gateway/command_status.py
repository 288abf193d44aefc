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
from web.http.identity import AsCaller, Caller
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
    async def command(
        request: Request, caller: AsCaller, command_id: str, query: Annotated[CommandQuery, Query()]
    ) -> Response:
        """Show the first reply to a command that came over HTTP, or with `source` to anyone's.

        A reply is kept for 7 days. Where several accounts have used one id, `account_id` says whose command is meant.
        """
        if not is_id(command_id):
            raise _unknown()
        sources = _sources(caller, query)
        came_over_http = sources is None or all(source.startswith(HTTP_SOURCES) for source in sources)
        unanswered = over_http if came_over_http else by_anyone
        key = CommandKey(command_id, sources, unanswered.topics)

        async def find() -> KnownCommand | None:
            return await reader.read(lambda connection: replies.of(connection, key))

        found = await find()
        if found is None and not await _waits(unanswered, key) and (found := await find()) is None:
            raise _unknown()
        return answer(request, found.reply) if found and found.reply else _underway(key)

    return routes


def _underway(key: CommandKey) -> Response:
    source = next(iter(key.sources)) if key.sources and len(key.sources) == 1 else None
    monitor = monitor_address(key.command_id, source)
    underway = Underway(status="published", command_id=key.command_id, monitor=monitor)
    return JSONResponse(underway.model_dump(), HTTPStatus.ACCEPTED, {"Retry-After": str(ASK_AGAIN_AFTER)})


def _sources(caller: Caller, query: CommandQuery) -> frozenset[str] | None:
    """Return the sources that are meant; None is any account's. Raises: Problem COMMAND_UNKNOWN where none can be."""
    accounts = caller.asking_for(query.account_id)
    own = None if accounts is None else frozenset(map(source_of, accounts))
    if query.source is None:
        return own
    if own is not None and query.source not in own:
        raise _unknown()
    return frozenset({query.source})


async def _waits(unanswered: Unanswered, key: CommandKey) -> bool:
    """Return whether the command waits for its reply. Raises: Problem READ_MODEL_UNAVAILABLE."""
    try:
        return await unanswered.holds(key)
    except Unknowable:
        detail = "Whether this command waits for its reply cannot be known right now; ask again."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "READ_MODEL_UNAVAILABLE", detail) from None
