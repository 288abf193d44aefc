"""What a page says when something is wrong: a sentence and what to do, and never a bare JSON document."""

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from psycopg import DataError, OperationalError
from psycopg.errors import InvalidSchemaName, UndefinedTable
from starlette.exceptions import HTTPException

from web.console.rendering import Pages
from web.http import problems
from web.http.parameters import Handler, QueryRoute
from web.http.problems import Problem

log = structlog.get_logger(__name__)


def problems_as_pages(pages: Pages) -> type[QueryRoute]:
    """Return the kind of route whose errors are pages."""

    class PageRoute(QueryRoute):
        REPEATABLE = frozenset({"charge_ids", "number"})
        EMPTY_IS_ABSENT = False  # a field of a dialog may have been emptied

        def get_route_handler(self) -> Handler:
            handler = super().get_route_handler()

            async def handle(request: Request) -> Response:
                try:
                    return await handler(request)
                except Problem as problem:
                    return pages.show(request, "error.html", problem.status, code=problem.code)
                except (RequestValidationError, DataError):
                    return pages.show(request, "error.html", HTTPStatus.UNPROCESSABLE_ENTITY, code="MALFORMED_QUERY")
                except (TimeoutError, OperationalError, UndefinedTable, InvalidSchemaName) as error:
                    log.warning("read_tables_unavailable", path=request.url.path, error=repr(error))
                    status = HTTPStatus.SERVICE_UNAVAILABLE
                    return pages.show(request, "error.html", status, code="READ_MODEL_UNAVAILABLE")
                except Exception:
                    log.exception("page_failed", path=request.url.path)
                    return pages.show(request, "error.html", HTTPStatus.INTERNAL_SERVER_ERROR, code="INTERNAL_FAULT")

            return handle

    return PageRoute


def explain_unknown_addresses(app: FastAPI, pages: Pages) -> None:
    """Answer an unknown address with a page to clients that accept pages, and with a problem to others."""

    @app.exception_handler(HTTPStatus.NOT_FOUND)
    async def missing(request: Request, error: HTTPException) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return pages.show(request, "error.html", HTTPStatus.NOT_FOUND, code="NOT_FOUND")
        return problems.of_http(error)
