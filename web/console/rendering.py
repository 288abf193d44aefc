"""Pages from templates: escaped, translated, with times in the reader's zone, under a strict policy."""

import gettext
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

from babel.dates import format_date, format_datetime, format_skeleton, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from rules.calendar import MainlandChina
from web.console import labels
from web.console.viewer import LANGUAGE_COOKIE, LANGUAGES, Language, Viewer, viewer_of

FOLDER = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing from other hosts, nothing inline. Source: Content Security Policy Level 3."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "X-Fragment, Cookie, Accept-Language",
}
YEAR = 365 * 24 * 3600
LOCALES: Mapping[Language, str] = {"en": "en_GB", "zh": "zh_Hans_CN"}
"""How dates and amounts are written in each language."""
_STEERING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and the ends of lines, and those that turn the direction of a text around."""
MOMENTS: Mapping[Language, str] = {"en": "d MMM y, HH:mm", "zh": "y年M月d日 HH:mm"}


def assets_fingerprint() -> str:
    """Return what changes whenever a static file does, so that browsers may keep files for ever."""
    files = sorted((FOLDER / "static").iterdir())
    return blake2b(b"".join(file.read_bytes() for file in files), digest_size=6).hexdigest()


def catalogue(language: Language) -> gettext.NullTranslations:
    """Return the translations of a language; English is in the templates. Read from the catalogue as it is edited."""
    file = FOLDER / "locale" / language / "LC_MESSAGES" / "console.po"
    if not file.exists():
        return gettext.NullTranslations()
    compiled = BytesIO()
    with file.open("rb") as source:
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@dataclass(frozen=True, slots=True)
class Pages:
    """Renders pages.

    here: returns the id from which a page listens for changes. clock_shift: moves the clock for tests and demos.
    """

    environments: Mapping[Language, Environment]
    translations: Mapping[Language, gettext.NullTranslations]
    here: Callable[[], str | None]
    clock_shift: timedelta

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC) + self.clock_shift

    def translator(self, language: Language) -> Callable[[str], str]:
        """Return what translates a sentence."""
        return self.translations[language].gettext

    def show(
        self,
        request: Request,
        template: str,
        status: HTTPStatus = HTTPStatus.OK,
        **facts: Any,  # noqa: ANN401 - a page's own
    ) -> HTMLResponse:
        """Render a page, or only its main part when the page's script asks for that."""
        viewer = viewer_of(request)
        text = (
            self.environments[viewer.language]
            .get_template(template)
            .render(
                facts
                | {
                    "viewer": viewer,
                    "caller": getattr(request.state, "caller", None),
                    "now": self.now(),
                    "layout": "fragment.html" if "x-fragment" in request.headers else "layout.html",
                    "path": request.url.path,
                    "since": self.here() or "",
                    "query": dict(request.query_params),
                    "without": viewer.hidden_columns,
                }
            )
        )
        answer = HTMLResponse(text, status, HEADERS | {"Content-Language": viewer.language})
        if request.query_params.get("lang") in LANGUAGES:
            answer.set_cookie(LANGUAGE_COOKIE, viewer.language, max_age=YEAR, samesite="lax")
        return answer


def pages(here: Callable[[], str | None], clock_shift: timedelta, calendar: MainlandChina) -> Pages:
    """Return the renderer."""
    translations: dict[Language, gettext.NullTranslations] = {one: catalogue(one) for one in LANGUAGES}
    environments: dict[Language, Environment] = {one: _environment(translations[one], calendar) for one in LANGUAGES}
    return Pages(environments, translations, here, clock_shift)


def _environment(translations: gettext.NullTranslations, calendar: MainlandChina) -> Environment:
    environment = Environment(
        loader=PackageLoader("web.console"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined] - the extension's
    cast("dict[str, Any]", environment.filters).update(
        moment=_moment, day=_day, money=_money, whole=_whole, grouped=_grouped, age=_age, as_entered=_as_entered
    )

    def say(meanings: Mapping[str, str], code: str) -> str:
        return translations.gettext(meanings[code]) if code in meanings else code

    cast("dict[str, Any]", environment.globals).update(
        words=labels,
        assets=assets_fingerprint(),
        say=say,
        days_left=calendar.business_days_used,  # from the day after the first moment to the day of the second
        due_day=_due_day,
        link=_link,
    )
    return environment


def _visible(shown: object) -> object:
    """Write what steers a text instead of being seen as an escape, so that no name looks like another."""
    if isinstance(shown, Markup) or not isinstance(shown, str):
        return shown
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", shown)


def _as_entered(value: str) -> Markup:
    """Give a reader back what they entered, as it was."""
    return escape(value)


def _link(path: str, query: Mapping[str, str | None]) -> str:
    """Return an address on this host, whatever the path; parameters without a value are left out.

    query: a mapping, since a reader may call parameters like those of Jinja's own functions.
    """
    here = "/" + quote(path.lstrip("/\\"))  # two slashes, or their mirror images, would begin with a host
    given = {name: value for name, value in query.items() if value}
    return f"{here}?{urlencode(given)}" if given else here


def _viewer(context: Context) -> Viewer:
    return context["viewer"]


@pass_context
def _moment(context: Context, at: datetime | str) -> str:
    """Write a time to the minute, in the reader's zone."""
    viewer = _viewer(context)
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return format_datetime(moment, MOMENTS[viewer.language], tzinfo=viewer.zone, locale=LOCALES[viewer.language])


@pass_context
def _day(context: Context, day: date) -> str:
    return format_date(day, "medium", locale=LOCALES[_viewer(context).language])


@pass_context
def _due_day(context: Context, at: datetime) -> str:
    """Write the day on which something is due, such as Wed 25 Feb, in the reader's zone."""
    viewer = _viewer(context)
    local = at.astimezone(viewer.zone)
    if viewer.language == "en":
        return format_date(local, "EEE d MMM", locale=LOCALES["en"])
    return format_skeleton("MMMEd", local, locale=LOCALES[viewer.language])


@pass_context
def _money(context: Context, amount: Decimal | str) -> str:
    return format_decimal(Decimal(amount), "¥#,##0.00;\u2212¥#,##0.00", locale=LOCALES[_viewer(context).language])


@pass_context
def _whole(context: Context, number: int) -> str:
    return format_decimal(number, locale=LOCALES[_viewer(context).language])


@pass_context
def _age(context: Context, seconds: float) -> str:
    return format_timedelta(timedelta(seconds=seconds), locale=LOCALES[_viewer(context).language])


def _grouped(number: str) -> list[str]:
    """Split a number of 20 digits into groups of four, which people read out more easily."""
    return [number[at : at + 4] for at in range(0, len(number), 4)]
