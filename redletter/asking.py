"""`status` and `history`: ask the api, and say the answer to a person."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import urlopen

WITHIN = 10.0
"""Seconds for an answer."""
LOOK_EVERY = 1.0
"""Seconds between two looks of ``--watch``."""


class NoAnswer(Exception):
    """The api did not answer the question; the message says why."""


def status(api: str, number: str, as_of: str | None = None) -> Mapping[str, Any]:
    """Return the status document of an invoice. api: ``http://host:port``. as_of: RFC 3339. Raises: NoAnswer."""
    return _get(api, f"/invoices/{quote(number, safe='')}/status", {"as_of": as_of} if as_of else {})


Events = Sequence[Mapping[str, Any]]


def history(api: str, number: str, until: datetime | None = None) -> Events:
    """Return the events of an invoice, those until a time. Raises: NoAnswer."""
    events: Events = _get(api, f"/invoices/{quote(number, safe='')}/history", {})["events"]
    return [event for event in events if until is None or datetime.fromisoformat(event["occurred_at"]) <= until]


def news(api: str, number: str) -> Iterator[Events]:
    """Yield the events of an invoice, and then those that come, for ever. Raises: NoAnswer."""
    seen = 0
    while True:
        if new := history(api, number)[seen:]:
            seen += len(new)
            yield new
        time.sleep(LOOK_EVERY)


def changes(api: str, number: str) -> Iterator[Mapping[str, Any]]:
    """Yield the status document now, and again whenever it has changed, for ever. Raises: NoAnswer."""
    version = -1
    while True:
        document = status(api, number)
        if document["version"] != version:
            version = document["version"]
            yield document
        time.sleep(LOOK_EVERY)


def _get(api: str, path: str, parameters: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON
    query = f"?{urlencode(parameters)}" if parameters else ""
    try:
        with urlopen(f"{api}{path}{query}", timeout=WITHIN) as answer:  # noqa: S310 - http
            return json.load(answer)
    except HTTPError as error:
        raise NoAnswer(_reason(error)) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        msg = f"the api at {api} does not answer: {reason}"
        raise NoAnswer(msg) from None


def _reason(error: HTTPError) -> str:
    with error:
        try:
            problem = json.load(error)
            faults = "; ".join(f"{fault['field']}: {fault['message']}" for fault in problem.get("faults", ()))
            return f"{problem['code']}: {faults or problem.get('detail') or problem.get('title')}"
        except (ValueError, KeyError, TypeError):
            return f"the api answered {error.code} {error.reason}"


def told(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that tell a person what a status document says."""
    yield f"{document['invoice_number']}  {document['status']['label']}"
    yield f"  account          {document['account_id']}"
    yield f"  posting status   {document['posting_status']}"
    yield f"  return complete  {_yes_or_no(document['return_complete'])}"
    yield f"  original void    {_yes_or_no(document['original_void'])}"
    if latest := document.get("return"):
        yield f"  return           {latest['return_id']}, {latest['route']} route, {latest['phase']}"
        yield f"  due              {latest['due_earliest']} to {latest['due_latest']}{_overdue(latest)}"
    if refusal := document.get("last_refusal"):
        yield f"  refused          {refusal['code']} at {refusal['at']}"
    if note := document.get("credit_note_number"):
        yield f"  credit note      {note}"
    if replacements := document.get("replacement_numbers"):
        yield f"  replaced by      {', '.join(replacements)}"
    yield f"  you may          {', '.join(document['actions'])}"
    yield f"  as of            {document['as_of']} (version {document['version']})"


def _yes_or_no(value: object) -> str:
    return "yes" if value else "no"


def _overdue(latest: Mapping[str, Any]) -> str:
    return ", overdue" if latest.get("overdue") else ""


def short_time(told_at: str) -> str:
    """Write a time in the reader's own zone, to the second."""
    return datetime.fromisoformat(told_at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def in_short(data: Mapping[str, Any]) -> str:
    """Say the plain facts of a body; what every event has is left out."""
    known = {"invoice_number", "account_id", "occurred_at"}
    return ", ".join(f"{name}={value}" for name, value in data.items() if name not in known and _is_plain(value))


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | bool)
