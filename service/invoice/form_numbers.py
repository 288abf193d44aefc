"""Numbers of red-font forms as people write them: grouped, hyphenated, or copied with wide digits."""

import re
import unicodedata

_WELL_FORMED = re.compile(r"[0-9]{20}")
_SOFT_HYPHEN = "\u00ad"
_NARROW = {0xFF10 + digit: str(digit) for digit in range(10)}
"""Full-width digits to the usual ones."""


def folded(written: str | None) -> str:
    """Leave out blanks of any kind and hyphens, and make full-width digits narrow; absent is empty."""
    return "".join(sign for sign in (written or "").translate(_NARROW) if not _is_spacing(sign))


def is_well_formed(number: str) -> bool:
    """Tell whether a folded number is exactly 20 digits 0-9."""
    return _WELL_FORMED.fullmatch(number) is not None


def _is_spacing(sign: str) -> bool:
    return sign.isspace() or sign == _SOFT_HYPHEN or unicodedata.category(sign) == "Pd"
