"""The OpenAPI description: problems under their own media type, an example beside every answer, and who may ask."""

from collections.abc import Mapping
from typing import Any, cast

from fastapi import FastAPI

from web.http import examples
from web.http.identity import OPEN_FOLDERS, refusals
from web.http.problems import MEDIA_TYPE, described

_EXAMPLES: Mapping[str, Any] = {
    "StatusAnswer": examples.STATUS_EXAMPLE,
    "DetailsAnswer": examples.DETAILS_EXAMPLE,
    "InvoicePage": examples.PAGE_EXAMPLE,
    "HistoryAnswer": examples.HISTORY_EXAMPLE,
    "KeyAnswer": examples.KEY_EXAMPLE,
    "ChargesPage": examples.CHARGES_EXAMPLE,
    "FormAnswer": examples.FORM_EXAMPLE,
    "ReturnsPage": examples.RETURNS_EXAMPLE,
    "ReturnOutcomes": examples.RETURN_OUTCOMES_EXAMPLE,
    "Underway": examples.UNDERWAY_EXAMPLE,
    "Ready": examples.READY_EXAMPLE,
    "OperationsBoard": examples.OPERATIONS_EXAMPLE,
}
"""By the name of the schema that an answer has. Every other answer has its example where it is described."""
_FRAMEWORK_PROBLEMS = ("HTTPValidationError", "ValidationError")
"""What the framework would answer: here it is a problem document, MALFORMED_QUERY."""


_TOKEN: Mapping[str, Any] = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An access token of the OpenID provider, for this api",
}


def install(app: FastAPI, *, asked: bool) -> None:
    """Let the app describe itself so. asked: whether callers must say who they are."""
    generate = app.openapi

    def whole() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            if asked:
                document["components"]["securitySchemes"] = {"token": _TOKEN}
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    _add_refusals(operation, method.upper(), path, asked=asked)
                    _correct(operation["responses"])
            for name in _FRAMEWORK_PROBLEMS:
                document["components"]["schemas"].pop(name, None)
        return cast("dict[str, Any]", app.openapi_schema)

    app.openapi = whole


def _add_refusals(operation: dict[str, Any], method: str, path: str, *, asked: bool) -> None:
    for problem in refusals(method, path, asked=asked):
        for status, answer in described(problem).items():
            schema = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
            content = {kind: {**schema, **body} for kind, body in answer["content"].items()}
            operation["responses"][str(status)] = {"description": answer["description"], "content": content}
    if asked and path.split("/")[1] not in OPEN_FOLDERS:
        operation["security"] = [{"token": []}]


def _correct(responses: dict[str, Any]) -> None:
    for status, answer in list(responses.items()):
        content: dict[str, Any] = answer.get("content", {})
        for media_type in list(content):
            name = str(content[media_type].get("schema", {}).get("$ref", "")).rpartition("/")[2]
            if name in _EXAMPLES:
                content[media_type]["example"] = _EXAMPLES[name]
            if name == "ProblemDocument":
                content[MEDIA_TYPE] = {**content.pop(media_type), **content.get(MEDIA_TYPE, {})}
            if name in _FRAMEWORK_PROBLEMS:
                del responses[status]
