"""Why remarks do not hold a number that a reader thinks is there: a character that cannot be seen, or looks alike."""

import re
import unicodedata

_BETWEEN = r"[^0-9]{0,3}"
"""What may have come between two digits: a few characters that are none."""


def obstacle(remarks: str, number: str) -> str | None:
    """Return the character in the way, such as ``U+200B ZERO WIDTH SPACE``; None if the number is not there at all."""
    folded = unicodedata.normalize("NFKC", remarks)
    if between := re.search(_BETWEEN.join(number), folded):
        strangers = [sign for sign in between[0] if sign not in number]
        return _described(strangers[0]) if strangers else None
    for begin in range(len(folded) - len(number) + 1):
        wrong = [sign for sign, digit in zip(folded[begin:], number, strict=False) if sign != digit]
        if len(wrong) == 1:
            return _described(wrong[0])
    return None


def _described(sign: str) -> str:
    return f"U+{ord(sign):04X} {unicodedata.name(sign, '')}".strip()
