"""Who looks: their language and their time zone, from cookies that the page sets and from what the browser says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from fastapi import Request

from web.console.labels import COLUMN

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
DEFAULT_ZONE = "Asia/Shanghai"
"""Where returns are due, and where the page is until the browser has sent its own zone."""
_ZONES = available_timezones()
LANGUAGE_COOKIE, ZONE_COOKIE, HIDDEN_COLUMNS_COOKIE = "language", "zone", "hidden_columns"


@dataclass(frozen=True, slots=True)
class Viewer:
    """A reader of the page. hidden_columns: the columns of the list that they do without."""

    language: Language
    zone: ZoneInfo
    hidden_columns: Sequence[str]


def viewer_of(request: Request) -> Viewer:
    """Return who asks. ``?lang=`` counts most, then the cookie, then Accept-Language."""
    wanted = (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE), *_accepted(request))
    known: list[Language] = [own for one in wanted for own in LANGUAGES if one == own]
    zone = request.cookies.get(ZONE_COOKIE, "")
    hidden = [one for one in request.cookies.get(HIDDEN_COLUMNS_COOKIE, "").split(".") if one in COLUMN]
    return Viewer(known[0] if known else "en", ZoneInfo(zone if zone in _ZONES else DEFAULT_ZONE), hidden)


def _accepted(request: Request) -> list[str]:
    """Return the languages that the browser names, in its order, which is the order of its reader."""
    return [one.split(";")[0].strip()[:2].lower() for one in request.headers.get("accept-language", "").split(",")]
