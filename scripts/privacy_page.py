"""Write the last part of docs/privacy.md from events/privacy.py: ``python -m scripts.privacy_page``."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from events.privacy import PRIVACY, Privacy, fields_of
from events.schemas import TYPES

PAGE = Path(__file__).parents[1] / "docs" / "privacy.md"
_FIELDS = """\
## Fields

| field | | messages |
|---|---|---|
"""
LISTED: tuple[Privacy, ...] = ("personal", "free text", "pseudonym")


def page() -> str:
    """Return the page: what is written by hand, and the table of fields."""
    return PAGE.read_text().partition(_FIELDS)[0] + _FIELDS + "".join(_rows())


def _rows() -> Iterator[str]:
    messages: dict[str, list[str]] = defaultdict(list)
    for name in TYPES:
        for field in sorted(set(fields_of(name))):
            messages[field].append(name.partition(".")[0])
    for privacy in LISTED:
        for field in sorted(field for field, found in PRIVACY.items() if found == privacy):
            yield f"| `{field}` | {privacy} | {', '.join(messages[field])} |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
