"""The OpenAPI description: problems under their own media type, and an example beside every answer."""

from collections.abc import Mapping
from typing import Any, cast

from fastapi import FastAPI

from web.http import examples
from web.http.problems import MEDIA_TYPE

_EXAMPLES: Mapping[str, Any] = {
    "StatusAnswer": examples.STATUS_EXAMPLE,
    "DetailsAnswer": examples.DETAILS_EXAMPLE,
    "InvoicePage": examples.PAGE_EXAMPLE,
    "HistoryAnswer": examples.HISTORY_EXAMPLE,
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


def install(app: FastAPI) -> None:
    """Let the app describe itself so."""
    generate = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            for path in document["paths"].values():
                for operation in path.values():
                    _correct(operation["responses"])
            for name in _FRAMEWORK_PROBLEMS:
                document["components"]["schemas"].pop(name, None)
        return cast("dict[str, Any]", app.openapi_schema)

    app.openapi = described


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
