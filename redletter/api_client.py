"""Query the api for an invoice's status and history, once or again and again."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

_TIMEOUT_SECONDS = 10.0
_READY_TIMEOUT_SECONDS = 6.0
"""It answers within five whatever is down."""
_WATCH_INTERVAL_SECONDS = 1.0

Events = Sequence[Mapping[str, Any]]


class Api(NamedTuple):
    """Where the api is, as ``http://host:port``, and the access token that it is asked with, if it wants one."""

    url: str
    token: str | None = None


class QueryFailed(Exception):
    """The api did not return what was asked for; the message says why."""


def degraded_because(api: Api) -> Mapping[str, str]:
    """Return why the api calls the system degraded, by code; what is behind that is told to operators alone.

    Raises: QueryFailed.
    """
    found = _get(api, "/readyz", {}, timeout=_READY_TIMEOUT_SECONDS)
    return {reason["code"]: reason["detail"] for reason in found["reasons"]}


def status(api: Api, number: str, as_of: str | None = None) -> Mapping[str, Any]:
    """Return the status document of an invoice. as_of: RFC 3339. Raises: QueryFailed."""
    return _get(api, f"/invoices/{quote(number, safe='')}/status", {"as_of": as_of} if as_of else {})


def history(api: Api, number: str, until: datetime | None = None) -> Events:
    """Return the events of an invoice, all or those up to a time. Raises: QueryFailed."""
    events: Events = _get(api, f"/invoices/{quote(number, safe='')}/history", {})["events"]
    return [event for event in events if until is None or datetime.fromisoformat(event["occurred_at"]) <= until]


def follow_history(api: Api, number: str) -> Iterator[Events]:
    """Yield the events of an invoice, then new ones as they come, forever. Raises: QueryFailed."""
    seen = 0
    while True:
        if new := history(api, number)[seen:]:
            seen += len(new)
            yield new
        time.sleep(_WATCH_INTERVAL_SECONDS)


def follow_status(api: Api, number: str) -> Iterator[Mapping[str, Any]]:
    """Yield the status document, and again whenever it has changed, forever. Raises: QueryFailed."""
    version = -1
    while True:
        document = status(api, number)
        if document["version"] != version:
            version = document["version"]
            yield document
        time.sleep(_WATCH_INTERVAL_SECONDS)


def _get(api: Api, path: str, parameters: Mapping[str, str], timeout: float = _TIMEOUT_SECONDS) -> Any:  # noqa: ANN401 - any JSON
    query = f"?{urlencode(parameters)}" if parameters else ""
    headers = {"Authorization": f"Bearer {api.token}"} if api.token else {}
    request = Request(f"{api.url}{path}{query}", headers=headers)  # noqa: S310 - http
    try:
        with urlopen(request, timeout=timeout) as response:  # noqa: S310 - http
            return json.load(response)
    except HTTPError as error:
        raise QueryFailed(_problem(error)) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        msg = f"the api at {api.url} does not answer: {reason}"
        raise QueryFailed(msg) from None


def _problem(error: HTTPError) -> str:
    with error:
        try:
            problem = json.load(error)
            faults = "; ".join(f"{fault['field']}: {fault['message']}" for fault in problem.get("faults", ()))
            return f"{problem['code']}: {faults or problem.get('detail') or problem.get('title')}"
        except (ValueError, KeyError, TypeError):
            return f"the api returned {error.code} {error.reason}"
