"""The keys under which texts of invoices are sealed, for whoever shows them."""

from collections.abc import Iterable, Iterator
from typing import Any, LiteralString

from rules.key_wrapping import KeyWrapping, WrappedKey

WRAPPED_KEYS: LiteralString = """
    select invoice_number, wrapped, wrapped_by from redletter.invoice_keys where invoice_number = any(%s)
"""


def unwrapped(rows: Iterable[tuple[Any, ...]], wrapping: KeyWrapping) -> Iterator[tuple[str, bytes]]:
    """Yield keys by invoice. Raises: OutsideKeyMissing."""
    return ((number, wrapping.unwrap(WrappedKey(*kept), number)) for number, *kept in rows)
