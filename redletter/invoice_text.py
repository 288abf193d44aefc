"""An invoice's status and history as lines and rows for people."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any


def status_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that show a status document."""
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
    if fault := document.get("out_of_date"):
        yield f"  OUT OF DATE      since {fault['since']}: {fault['reason']}"


def _yes_or_no(value: object) -> str:
    return "yes" if value else "no"


def _overdue(latest: Mapping[str, Any]) -> str:
    return ", overdue" if latest.get("overdue") else ""


def event_rows(events: Iterable[Mapping[str, Any]]) -> Iterator[tuple[object, ...]]:
    """Yield (version, local time, event, facts) for each event of a history."""
    for event in events:
        name = event["type"].removeprefix("redletter.invoice.").removesuffix(".v1")
        yield event["version"], _local_time(event["occurred_at"]), name, plain_facts(event["data"])


def _local_time(rfc3339: str) -> str:
    """Format a time in the reader's own zone, to the second."""
    return datetime.fromisoformat(rfc3339).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def plain_facts(data: Mapping[str, Any]) -> str:
    """Format the texts, numbers and booleans of a body; fields that every event has are left out."""
    known = {"invoice_number", "account_id", "occurred_at"}
    return ", ".join(f"{name}={value}" for name, value in data.items() if name not in known and _is_plain(value))


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | bool)
