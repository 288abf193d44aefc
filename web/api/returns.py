"""The query on open returns."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from events.values import AccountId, InvoiceNumber, Time
from projections.returns import queries as returns
from projections.returns.queries import OpenPhase, ReturnFilter, ReturnLine
from web.http import cursors
from web.http.identity import AsCaller
from web.http.parameters import QueryRoute
from web.http.problems import NOT_MODIFIED, QUERY_PROBLEMS
from web.http.reading import Reader, answer, written

_MAX_PAGE_RETURNS = 200
"""Returns of a page at most."""

RETURN_CURSOR = TypeAdapter[tuple[datetime, str]](tuple[Time, InvoiceNumber])
_PROBLEMS: dict[int | str, dict[str, Any]] = {**NOT_MODIFIED, **QUERY_PROBLEMS}


class ReturnsQuery(BaseModel):
    """Which open returns. overdue: past the end of the third business day, or not."""

    model_config = ConfigDict(extra="forbid")

    phase: OpenPhase | None = None
    overdue: bool | None = None
    account_id: AccountId | None = None
    cursor: Annotated[str, Field(max_length=200)] | None = None
    limit: Annotated[int, Field(ge=1, le=_MAX_PAGE_RETURNS)] = 50


class ReturnsPage(BaseModel):
    """A page of open returns; next_cursor is there when there are more."""

    items: list[ReturnLine]
    next_cursor: str | None = None


def router(reader: Reader) -> APIRouter:
    """Return the query on open returns."""
    routes = APIRouter(tags=["returns"], route_class=QueryRoute)

    @routes.get("/returns", responses={200: {"model": ReturnsPage}, **_PROBLEMS}, response_class=Response)
    async def return_list(request: Request, caller: AsCaller, query: Annotated[ReturnsQuery, Query()]) -> Response:
        """Open returns by their due dates: the most urgent first. One that has its credit note is no longer open."""
        after = cursors.read(query.cursor, RETURN_CURSOR) if query.cursor else None
        wanted = ReturnFilter(caller.asking_for(query.account_id), query.phase, query.overdue, after, query.limit)
        page = await reader.read(lambda connection: returns.page(connection, wanted))
        following = cursors.write(page.next) if page.next else None
        return answer(request, written(ReturnsPage(items=list(page.lines), next_cursor=following)))

    return routes
