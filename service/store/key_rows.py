"""The table of the keys of invoices: made with an invoice's first command, deleted when its texts are erased."""

from collections.abc import Collection, Mapping
from typing import Any, LiteralString

from psycopg import Cursor
from psycopg.rows import TupleRow

from rules.key_wrapping import WrappedKey
from transport.arrays import binary_array


class KeyChanged(Exception):
    """Another transaction has made or destroyed a key since it was looked for."""


KEYS: LiteralString = """
    select invoice_number, wrapped, wrapped_by from redletter.invoice_keys where invoice_number = any(%s)
"""


def keys_of(rows: Collection[tuple[Any, ...]]) -> dict[str, WrappedKey]:
    """Return the keys by invoice."""
    return {number: WrappedKey(*kept) for number, *kept in rows}


def load_keys(cur: Cursor[TupleRow], numbers: Collection[str]) -> dict[str, WrappedKey]:
    """Return the keys of invoices."""
    return keys_of(cur.execute(KEYS, (binary_array("text", sorted(numbers)),), binary=True).fetchall())


def apply_keys(cur: Cursor[TupleRow], made: Mapping[str, WrappedKey], destroyed: Collection[str]) -> None:
    """Keep new keys, and delete those that are destroyed. Raises: KeyChanged."""
    if made:
        columns = (
            binary_array("text", [*made]),
            binary_array("bytea", [kept.wrapped for kept in made.values()]),
            binary_array("text", [kept.wrapped_by for kept in made.values()]),
        )
        cur.execute(_MAKE, columns)
        _all_done(cur, len(made))
    if destroyed:
        cur.execute(_DESTROY, (binary_array("text", [*destroyed]),))
        _all_done(cur, len(destroyed))


def destroy_again(cur: Cursor[TupleRow], numbers: Collection[str]) -> None:
    """Delete the keys of invoices that have been erased, if an older backup has brought them back."""
    if numbers:
        cur.execute(_DESTROY, (binary_array("text", [*numbers]),))


def _all_done(cur: Cursor[TupleRow], wanted: int) -> None:
    if len(cur.fetchall()) != wanted:
        msg = "the key of an invoice was made or destroyed meanwhile"
        raise KeyChanged(msg)


_MAKE: LiteralString = """
    insert into redletter.invoice_keys (invoice_number, wrapped, wrapped_by)
    select * from unnest(%b::text[], %b::bytea[], %b::text[]) on conflict do nothing returning 1
"""
_DESTROY: LiteralString = "delete from redletter.invoice_keys where invoice_number = any(%b::text[]) returning 1"
