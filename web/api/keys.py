"""The key of an invoice, for consumers that open its texts themselves."""

from base64 import urlsafe_b64encode
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from events.values import InvoiceNumber
from projections.status import queries as status
from web.api.invoices import InvoiceQuery
from web.http.identity import AsCaller
from web.http.min_version import check_number, found, not_found, not_yet
from web.http.parameters import QueryRoute
from web.http.problems import QUERY_PROBLEMS, Problem, described
from web.http.reading import Reader, written
from web.http.sealed_texts import InvoiceKeys


class KeyAnswer(BaseModel):
    """The key as a JSON Web Key. k: its 32 bytes in base64url. kid: the invoice. Source: RFC 7517."""

    kty: Literal["oct"] = "oct"
    k: str
    kid: InvoiceNumber
    alg: Literal["dir"] = "dir"
    use: Literal["enc"] = "enc"


def _no_key() -> Problem:
    detail = "The texts of this invoice are not sealed, or they were erased, and its key is destroyed."
    return Problem(HTTPStatus.NOT_FOUND, "INVOICE_HAS_NO_KEY", detail)


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": KeyAnswer},
    **QUERY_PROBLEMS,
    **described(not_found()),
    **described(_no_key()),
    **described(not_yet(reached=0, min_version=1), ", with the version reached"),
}


def router(reader: Reader, keys: InvoiceKeys) -> APIRouter:
    """Return the query for a key."""
    routes = APIRouter(tags=["invoices"], route_class=QueryRoute)

    @routes.get("/invoices/{number}/key", responses=_ANSWERS, response_class=Response)
    async def invoice_key(caller: AsCaller, number: str, query: Annotated[InvoiceQuery, Query()]) -> Response:
        """Return the key under which the texts of the invoice are sealed, in events and in status documents."""
        check_number(number)
        find = partial(status.of, invoice_number=number)
        accounts = caller.asking_for(query.account_id)
        await found(lambda: reader.read(find), accounts=accounts, min_version=query.min_version, wait=query.wait)
        key = (await keys.of([number])).get(number)
        if key is None:
            raise _no_key()
        answer = KeyAnswer(k=urlsafe_b64encode(key).rstrip(b"=").decode(), kid=number)
        return Response(written(answer), media_type="application/json", headers={"Cache-Control": "no-store"})

    return routes
