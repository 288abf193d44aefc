"""Dead letters whose values were sealed, opened for the operator."""

from collections.abc import Mapping
from dataclasses import replace

from events.compact_jwe import WrongKey, unseal_bytes
from events.sealing import SEALED_HEADER
from projections.dead_letters.queries import RecordPlace
from projections.dead_letters.records import own_headers
from projections.invoice_keys import WRAPPED_KEYS, unwrapped
from rules.key_wrapping import KeyWrapping
from transport.clients.postgres import connect
from transport.records import ConsumerRecord

Letters = Mapping[RecordPlace, ConsumerRecord]


def open_letters(database: str, wrapping: KeyWrapping, letters: Letters) -> Letters:
    """Return dead letters with their values as they came. One whose key is destroyed stays as it is.

    database: of the log, which has the keys. Raises: psycopg.Error.
    """
    named = {place: name for place, letter in letters.items() if (name := _key_name(letter))}
    if not named:
        return letters
    with connect(database, "dead-letters") as connection:
        rows = connection.execute(WRAPPED_KEYS, [sorted({*named.values()})], binary=True).fetchall()
    keys = dict(unwrapped(rows, wrapping))
    return {
        place: _opened(letter, keys[named[place]]) if named.get(place) in keys else letter
        for place, letter in letters.items()
    }


def _key_name(letter: ConsumerRecord) -> str | None:
    """Return what the key of a dead letter is called: its last header says so, before those that say where it lay."""
    *_, last = own_headers(letter) or [("", None)]
    return last[1].decode(errors="replace") if last[0] == SEALED_HEADER and last[1] else None


def _opened(letter: ConsumerRecord, key: bytes) -> ConsumerRecord:
    own = own_headers(letter)
    try:
        value = unseal_bytes(key, letter.value or b"")
    except WrongKey:  # a header of the record's own that bears the name
        return letter
    return replace(letter, value=value, headers=(*own[:-1], *letter.headers[len(own) :]))
