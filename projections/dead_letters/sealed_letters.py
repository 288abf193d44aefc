"""Dead letters whose values were sealed, opened for the operator."""

from collections.abc import Mapping
from dataclasses import replace

from events.compact_jwe import WrongKey, unseal_bytes
from projections.dead_letters.queries import RecordPlace
from projections.dead_letters.records import own_headers, sealed_under
from projections.invoice_keys import WRAPPED_KEYS, unwrapped
from rules.key_wrapping import KeyWrapping
from transport.clients.postgres import connect
from transport.records import ConsumerRecord

Letters = Mapping[RecordPlace, ConsumerRecord]


def open_letters(database: str, wrapping: KeyWrapping, letters: Letters) -> Letters:
    """Return dead letters with their values as they came. One whose key is destroyed stays as it is.

    database: of the log, which has the keys. Raises: OutsideKeyMissing, psycopg.Error.
    """
    named = {place: name for place, letter in letters.items() if (name := sealed_under(letter))}
    if not named:
        return letters
    with connect(database, "dead-letters") as connection:
        rows = connection.execute(WRAPPED_KEYS, [sorted({*named.values()})], binary=True).fetchall()
    keys = dict(unwrapped(rows, wrapping))
    return {
        place: opened_letter(letter, keys[named[place]]) if named.get(place) in keys else letter
        for place, letter in letters.items()
    }


def opened_letter(letter: ConsumerRecord, key: bytes) -> ConsumerRecord:
    """Return a dead letter with its value as it came; one that the key does not open as it is."""
    own = own_headers(letter)
    try:
        value = unseal_bytes(key, letter.value or b"")
    except WrongKey:
        return letter
    return replace(letter, value=value, headers=(*own[:-1], *letter.headers[len(own) :]))
