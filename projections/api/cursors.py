"""Where a page ended, as a string that callers pass back and need not understand."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from projections.api.problems import malformed_query

Place = TypeVar("Place")


def write(place: object) -> str:
    """Write a place: JSON values only."""
    return urlsafe_b64encode(TypeAdapter(object).dump_json(place)).rstrip(b"=").decode()


def read(cursor: str, kind: TypeAdapter[Place]) -> Place:
    """Read a place back. Raises: Problem MALFORMED_QUERY."""
    try:
        return kind.validate_json(urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
    except (ValueError, ValidationError):
        raise malformed_query(
            [{"field": "cursor", "message": "must be the next_cursor of an earlier page, unchanged"}]
        ) from None
