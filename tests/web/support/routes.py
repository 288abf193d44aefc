"""Every route of the api, and who each is for."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

OPEN = {
    *{("GET", "/livez"), ("GET", "/readyz"), ("GET", "/static")},
    *{("GET", "/login"), ("GET", "/login/callback"), ("POST", "/logout"), ("GET", "/logged-out")},
}
OF_ONE_INVOICE = {
    ("GET", "/invoices/{number}"),
    ("GET", "/invoices/{number}/status"),
    ("GET", "/invoices/{number}/history"),
    ("GET", "/invoices/{number}/key"),
    ("POST", "/invoices/{number}/return"),
    ("POST", "/invoices/{number}/reissue"),
    ("GET", "/rows/{number}"),
    ("GET", "/details/{number}"),
    ("GET", "/return/{number}"),
    ("POST", "/return/{number}"),
    ("GET", "/reissue/{number}"),
    ("POST", "/reissue/{number}"),
}
OF_A_FORM = {("GET", "/red-font-forms/{number}")}
OF_A_COMMAND = {("GET", "/commands/{command_id:path}")}
LISTS = {
    ("GET", "/invoices"),
    ("GET", "/invoices.csv"),
    ("GET", "/accounts"),
    ("GET", "/charges"),
    ("GET", "/returns"),
    ("GET", "/"),
    ("GET", "/issue"),
}
STREAMS = {("GET", "/stream")}
BATCHES = {("POST", "/returns"), ("GET", "/return-selected"), ("POST", "/return-selected")}
ABOUT_NO_INVOICE = {
    ("GET", "/asyncapi"),
    ("GET", "/asyncapi/{key}"),
    ("GET", "/asyncapi.json"),
    ("GET", "/schemas/{name}.json"),
    ("GET", "/state"),
}
FOR_CALLERS = OF_ONE_INVOICE | OF_A_FORM | OF_A_COMMAND | LISTS | STREAMS | BATCHES | ABOUT_NO_INVOICE
"""Whoever adds a route for callers puts it where it is shown to keep to their accounts."""


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Yield method and path of every route, those of mounted folders by the folder."""
    found: list[Any] = list(app.routes)
    for route in found:
        for one in route.original_router.routes if hasattr(route, "original_router") else (route,):
            for method in (getattr(one, "methods", None) or {"GET"}) - {"HEAD"}:
                yield method, one.path
