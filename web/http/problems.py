"""Errors as RFC 9457 problem documents, each with a stable ``code``."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg import DataError, OperationalError
from psycopg.errors import InvalidSchemaName, UndefinedTable
from pydantic import BaseModel, ConfigDict, JsonValue
from starlette.exceptions import HTTPException

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


class ProblemDocument(BaseModel):
    """A problem as it is served; each code may add facts of its own."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str


class Problem(Exception):
    """A failed request's answer. detail is a sentence for people; facts are further members of the document."""

    def __init__(self, status: HTTPStatus, code: str, detail: str, **facts: JsonValue) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.facts = facts

    def response(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """Return the answer that is the problem document."""
        return JSONResponse(self.document(), self.status, headers, MEDIA_TYPE)

    def document(self) -> dict[str, JsonValue]:
        """Return the problem document."""
        return {
            "type": f"urn:redletter:problem:{self.code}",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
            "code": self.code,
            **self.facts,
        }


def described(example: Problem, what: str = "") -> dict[int | str, dict[str, Any]]:
    """Describe an answer for OpenAPI by a problem that is one. what: what to say after its code."""
    return {
        example.status.value: {
            "model": ProblemDocument,
            "description": f"{example.code}{what}",
            "content": {MEDIA_TYPE: {"example": example.document()}},
        }
    }


def malformed_query(faults: list[JsonValue]) -> Problem:
    """Return the answer to parameters that cannot be read. faults: [{field, message}]."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "MALFORMED_QUERY", "A query parameter is malformed.", faults=faults)


def read_models_unavailable() -> Problem:
    """Return the answer while the read tables cannot be asked."""
    detail = "The read models are not available right now; try again."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "READ_MODEL_UNAVAILABLE", detail)


def impossible_value(error: DataError) -> Problem:
    """Return the answer to a parameter that passed every check and that PostgreSQL cannot take all the same."""
    log.warning("query_parameter_refused_by_database", error=repr(error))
    return malformed_query([{"field": "", "message": "holds a value that cannot be searched for"}])


def of_http(error: HTTPException) -> JSONResponse:
    """Return the answer to what no route answers: a path or a method that there is not."""
    status = HTTPStatus(error.status_code)
    return Problem(status, status.name, f"{status.phrase}.").response(error.headers)


NOT_MODIFIED: Mapping[int | str, dict[str, Any]] = {
    304: {"description": "The caller has this answer already (If-None-Match)"}
}
QUERY_PROBLEMS: Mapping[int | str, dict[str, Any]] = {
    **described(
        malformed_query([{"field": "limit", "message": "Input should be greater than or equal to 1"}]),
        ", with every parameter that is at fault",
    ),
    **described(read_models_unavailable()),
}
"""Of every query on the read tables."""


def install(app: FastAPI) -> None:
    """Let every error of the app be answered as a problem document."""

    @app.exception_handler(Problem)
    async def problem(_request: Request, error: Problem) -> JSONResponse:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, error: RequestValidationError) -> JSONResponse:
        return malformed_query(
            [{"field": str(fault["loc"][-1]), "message": str(fault["msg"])} for fault in error.errors()]
        ).response()

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        return of_http(error)

    @app.exception_handler(DataError)
    async def impossible(_request: Request, error: DataError) -> JSONResponse:
        return impossible_value(error).response()

    @app.exception_handler(TimeoutError)
    @app.exception_handler(OperationalError)
    @app.exception_handler(UndefinedTable)
    @app.exception_handler(InvalidSchemaName)
    async def unavailable(request: Request, error: Exception) -> JSONResponse:
        log.warning("read_tables_unavailable", path=request.url.path, error=repr(error))
        return read_models_unavailable().response()

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> JSONResponse:
        log.error("query_failed", path=request.url.path, exc_info=error)
        return Problem(
            HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL_FAULT", "Internal error; it has been logged."
        ).response()
