"""Numbers of invoices, credit notes and red-font forms: 20 digits, however people write them."""

import unicodedata

from events.values import is_invoice_number

_SOFT_HYPHEN = "\u00ad"
_NARROW = {0xFF10 + digit: str(digit) for digit in range(10)}
"""Full-width digits to the usual ones."""


def fold_number(written: str | None) -> str:
    """Remove blanks of any kind and hyphens, and turn full-width digits into 0-9; an absent number becomes empty."""
    if written is None or is_number(written):
        return written or ""
    return "".join(sign for sign in written.translate(_NARROW) if not _is_spacing(sign))


def is_number(number: str) -> bool:
    """Return whether a text is exactly 20 digits 0-9. Source: docs/contract.md#messages."""
    return is_invoice_number(number)


def _is_spacing(sign: str) -> bool:
    return sign.isspace() or sign == _SOFT_HYPHEN or unicodedata.category(sign) == "Pd"
