"""`status`: ask the api where an invoice stands, and say it to a person."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import urlopen

WITHIN = 10.0
"""Seconds for an answer."""


class NoAnswer(Exception):
    """The api did not answer the question; the message says why."""


def status(api: str, number: str) -> Mapping[str, Any]:
    """Return the status document of an invoice. api: ``http://host:port``. Raises: NoAnswer."""
    try:
        with urlopen(f"{api}/invoices/{quote(number, safe='')}/status", timeout=WITHIN) as answer:  # noqa: S310 - http
            return json.load(answer)
    except HTTPError as error:
        raise NoAnswer(_reason(error)) from None
    except (URLError, TimeoutError) as error:
        msg = f"the api at {api} does not answer: {getattr(error, 'reason', error)}"
        raise NoAnswer(msg) from None


def _reason(error: HTTPError) -> str:
    with error:
        try:
            problem = json.load(error)
            return f"{problem['code']}: {problem.get('detail') or problem.get('title')}"
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
