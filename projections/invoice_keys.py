"""The keys under which texts of invoices are sealed, for whoever shows them."""

from collections.abc import Iterable, Iterator
from typing import Any, LiteralString

import structlog

from rules.key_wrapping import KeyWrapping, OutsideKeyMissing, WrappedKey

log = structlog.get_logger(__name__)

WRAPPED_KEYS: LiteralString = """
    select invoice_number, wrapped, wrapped_by from redletter.invoice_keys where invoice_number = any(%s)
"""


def unwrapped(rows: Iterable[tuple[Any, ...]], wrapping: KeyWrapping) -> Iterator[tuple[str, bytes]]:
    """Yield keys by invoice. One whose outside key is not at hand is logged, and left out: its texts stay sealed."""
    for number, *kept in rows:
        try:
            yield number, wrapping.unwrap(WrappedKey(*kept), number)
        except OutsideKeyMissing as missing:
            log.error("outside_key_missing", invoice=number, why=str(missing))  # noqa: TRY400 - the reason says all
