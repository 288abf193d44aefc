"""Dead letters on the command line: rows, facts and sentences about them."""

import asyncio
import base64
from collections.abc import Iterator, Sequence
from typing import Any

from projections.dead_letters import handling
from projections.dead_letters.queries import DeadLetter, LetterFilter, RecordPlace, find_letters
from projections.dead_letters.records import read_letters
from projections.dead_letters.sealed_letters import Letters, open_letters
from redletter.shown_times import shown_time
from rules.key_wrapping import KeyWrapping
from transport.addresses import Addresses
from transport.clients.kafka import topic_reader
from transport.clients.postgres import connect
from transport.records import ConsumerRecord

_ROLE = "dead-letters"
_MAX_ERROR_CHARACTERS = 100
LETTER_COLUMNS = ("place", "buried", "reason", "invoice", "what became of it", "error")


def find(addresses: Addresses, wanted: LetterFilter) -> list[DeadLetter]:
    """Return the dead letters that pass a filter. Raises: psycopg.Error."""
    with connect(addresses.database, _ROLE) as connection, connection.cursor() as cur:
        return find_letters(cur, wanted)


def row(letter: DeadLetter) -> Sequence[str]:
    """Return the cells of `LETTER_COLUMNS`."""
    error = letter.error if len(letter.error) <= _MAX_ERROR_CHARACTERS else f"{letter.error[:_MAX_ERROR_CHARACTERS]}…"
    return (
        str(letter.place),
        shown_time(letter.buried_at),
        letter.reason,
        letter.invoice_number or "",
        fate(letter),
        error,
    )


def as_json(letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter as a JSON object."""
    return {"place": str(letter.place), **letter.model_dump(mode="json")}


def fate(letter: DeadLetter) -> str:
    """Return what became of a dead letter, in words."""
    origin = "" if letter.replay_of is None else f"replay of offset {letter.replay_of}, unreadable again; "
    match letter.outcome:
        case "waiting":
            return f"{origin}waiting"
        case "replaying":
            return f"{origin}replay interrupted or running"
        case "replayed":
            again = ", unreadable again" if letter.unreadable_again else ""
            return f"{origin}replayed as offset {letter.replayed_as} by {letter.decided_by}{again}"
        case "discarded":
            return f"{origin}discarded by {letter.decided_by}: {letter.why}"


def read_record(addresses: Addresses, letter: DeadLetter, wrapping: KeyWrapping) -> ConsumerRecord | None:
    """Return the record of a dead letter, or None if its topic no longer keeps it.

    Raises: NoAnswer, KafkaError, psycopg.Error.
    """

    async def read() -> Letters:
        async with topic_reader(addresses.kafka, _ROLE) as consumer:
            return await read_letters(consumer, [letter])

    return open_letters(addresses.database, wrapping, asyncio.run(read())).get(letter.place)


def record_as_json(record: ConsumerRecord) -> dict[str, Any]:
    """Return what a dead letter says as a JSON object; bytes that are not UTF-8 as ``{"base64": ".."}``."""
    headers = [[name, _text_or_base64(value)] for name, value in record.headers]
    return {"key": _text_or_base64(record.key), "headers": headers, "value": _text_or_base64(record.value)}


def record_lines(record: ConsumerRecord) -> Iterator[str]:
    """Yield what a dead letter says, for a person."""
    yield f"key: {_shown(record.key)}"
    for name, value in record.headers:
        yield f"header {name}: {_shown(value)}"
    yield f"value: {_shown(record.value)}"


def discard_letters(addresses: Addresses, letters: Sequence[DeadLetter], *, by: str, why: str) -> list[RecordPlace]:
    """Discard dead letters; return the places of those that nobody had decided on before. Raises: psycopg.Error."""
    with connect(addresses.database, _ROLE) as connection, connection.transaction(), connection.cursor() as cur:
        return handling.discard(cur, letters, by=by, why=why)


def _text_or_base64(value: bytes | None) -> str | dict[str, str] | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _shown(value: bytes | None) -> str:
    return "none" if value is None else value.decode(errors="backslashreplace")
