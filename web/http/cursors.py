"""Where a page ended, as a string that callers pass back and need not understand."""

from base64 import b64decode, urlsafe_b64encode
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from web.http.problems import Problem, malformed_query

_Position = TypeVar("_Position")


def write(place: object) -> str:
    """Write a place: JSON values only."""
    return urlsafe_b64encode(TypeAdapter(object).dump_json(place)).rstrip(b"=").decode()


def read(cursor: str, kind: TypeAdapter[_Position]) -> _Position:
    """Read a place back, from nothing but what `write` returned. Raises: Problem MALFORMED_QUERY."""
    try:
        place = kind.validate_json(_decoded(cursor))
    except (ValueError, ValidationError):
        raise _malformed() from None
    if write(place) != cursor:
        raise _malformed()
    return place


def _decoded(cursor: str) -> bytes:
    return b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)


def _malformed() -> Problem:
    return malformed_query([{"field": "cursor", "message": "must be the next_cursor of an earlier page, unchanged"}])
