"""An invoice's status and history as lines and rows for people, in the words of the page, with the code in brackets."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from redletter.shown_times import shown_time
from web.console import labels


def status_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that show a status document."""
    yield f"{document['invoice_number']}  {document['status']['label']}"
    yield f"  account          {document['account_id']}"
    yield f"  posting status   {in_words(labels.POSTING, document['posting_status'])}"
    yield f"  return complete  {_yes_or_no(document['return_complete'])}"
    yield f"  original void    {_yes_or_no(document['original_void'])}"
    if latest := document.get("return"):
        yield f"  return           {in_words(labels.ROUTE, latest['route'])}, {latest['return_id']}"
        yield f"  progress         {in_words(labels.PHASE, latest['phase'])}"
        yield f"  due              {_local(latest['due_earliest'])} to {_local(latest['due_latest'])}{_overdue(latest)}"
    if refusal := document.get("last_refusal"):
        yield f"  refused          {refusal_in_words(refusal)} at {_local(refusal['at'])}"
    if note := document.get("credit_note_number"):
        yield f"  credit note      {note}"
    if replacements := document.get("replacement_numbers"):
        yield f"  replaced by      {', '.join(replacements)}"
    yield f"  you may          {', '.join(document['actions'])}"
    yield f"  as of            {_local(document['as_of'])} (version {document['version']})"
    if fault := document.get("out_of_date"):
        yield f"  OUT OF DATE      since {_local(fault['since'])}: {fault['reason']}"


def in_words(meanings: Mapping[str, str], code: str) -> str:
    """Return what a code means, as the page says it, with the code in brackets; one without a meaning is returned."""
    return f"{meanings[code].rstrip('.')} ({code})" if code in meanings else code


def refusal_in_words(refused: Mapping[str, Any]) -> str:
    """Return why a command or a return was refused, with the code in brackets."""
    code = str(refused.get("code"))
    if code in labels.REFUSAL:
        return in_words(labels.REFUSAL, code)
    details: Any = refused.get("details") or {}
    sentence = refused.get("message") or details.get("detail")
    return f"{str(sentence).rstrip('.')} ({code})" if sentence else code


def _yes_or_no(value: object) -> str:
    return "yes" if value else "no"


def _overdue(latest: Mapping[str, Any]) -> str:
    return ", overdue" if latest.get("overdue") else ""


def event_rows(events: Iterable[Mapping[str, Any]]) -> Iterator[tuple[object, ...]]:
    """Yield (version, local time, event, facts) for each event of a history."""
    for event in events:
        name = event["type"].removeprefix("redletter.invoice.").removesuffix(".v1")
        yield event["version"], _local(event["occurred_at"]), name, event_facts(name, event["data"])


def event_facts(name: str, data: Mapping[str, Any]) -> str:
    """Format the facts of an event; a refusal and a failure in words."""
    if name == "ReturnRefused":
        return refusal_in_words(data)
    return plain_facts({field: _local(value) if field.endswith("_at") else value for field, value in data.items()})


def _local(rfc3339: str) -> str:
    return shown_time(datetime.fromisoformat(rfc3339))


def plain_facts(data: Mapping[str, Any]) -> str:
    """Format the texts, numbers and booleans of a body; what is sealed and what every event has is left out."""
    known = {"invoice_number", "account_id", "occurred_at", "sealed"}
    return ", ".join(f"{name}={value}" for name, value in data.items() if name not in known and _is_plain(value))


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | bool)
