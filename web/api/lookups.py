"""Queries on charges and on red-font forms."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from events.values import AccountId, ChargeId
from projections.answers import includes
from projections.charges import queries as charges
from projections.charges.queries import ChargeFilter, ChargeLine, ChargeState
from projections.forms import queries as forms
from projections.forms.queries import FormAnswer
from web.http import cursors
from web.http.identity import AsCaller
from web.http.parameters import QueryRoute
from web.http.problems import NOT_MODIFIED, QUERY_PROBLEMS, Problem, described
from web.http.reading import Reader, answer, written

_MAX_PAGE_CHARGES = 500
"""Charges of a page at most."""

CHARGE_CURSOR = TypeAdapter[str](ChargeId)
_PROBLEMS: dict[int | str, dict[str, Any]] = {**NOT_MODIFIED, **QUERY_PROBLEMS}


class ChargesQuery(BaseModel):
    """Which charges."""

    model_config = ConfigDict(extra="forbid")

    account_id: AccountId | None = None
    state: ChargeState | None = None
    cursor: Annotated[str, Field(max_length=500)] | None = None
    limit: Annotated[int, Field(ge=1, le=_MAX_PAGE_CHARGES)] = 100


class ChargesPage(BaseModel):
    """A page of charges; next_cursor is there when there are more."""

    items: list[ChargeLine]
    next_cursor: str | None = None


class FormQuery(BaseModel):
    """Whose form."""

    model_config = ConfigDict(extra="forbid")

    account_id: AccountId | None = None


def router(reader: Reader) -> APIRouter:
    """Return the queries on charges and forms."""
    routes = APIRouter(responses=_PROBLEMS, route_class=QueryRoute)

    @routes.get("/charges", tags=["charges"], responses={200: {"model": ChargesPage}}, response_class=Response)
    async def charge_list(request: Request, caller: AsCaller, query: Annotated[ChargesQuery, Query()]) -> Response:
        """Charges by id: which invoice each is on, and which may be invoiced again."""
        after = cursors.read(query.cursor, CHARGE_CURSOR) if query.cursor else None
        wanted = ChargeFilter(caller.asking_for(query.account_id), query.state, after, query.limit)
        page = await reader.read(lambda connection: charges.page(connection, wanted))
        following = cursors.write(page.next) if page.next else None
        return answer(request, written(ChargesPage(items=list(page.lines), next_cursor=following)))

    @routes.get(
        "/red-font-forms/{number}",
        tags=["red-font forms"],
        responses={200: {"model": FormAnswer}, **described(_no_such_form())},
        response_class=Response,
    )
    async def red_font_form(
        request: Request, caller: AsCaller, number: str, query: Annotated[FormQuery, Query()]
    ) -> Response:
        """Show a form as last reported by the tax side, and the invoice for which it is used."""
        found = await reader.read(lambda connection: forms.of(connection, number)) if "\0" not in number else None
        accounts = caller.asking_for(query.account_id)
        if found is None or not includes(accounts, found.account_id):
            raise _no_such_form()
        return answer(request, written(found.form))

    return routes


def _no_such_form() -> Problem:
    detail = "No such red-font form was ever named for an invoice."
    return Problem(HTTPStatus.NOT_FOUND, "RED_FONT_FORM_NOT_FOUND", detail)
