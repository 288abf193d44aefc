"""What the page says and in which words, without servers."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po
from fastapi import Request
from pydantic import JsonValue

from events.catalogue import EVENT_TYPES
from events.commands import RequestReissue, RequestReturn
from events.refusal_codes import Code, EndingCode
from events.values import Kind, Phase, ReturnReason, Route, SeenPostingStatus, StatusCode
from projections.engine.health import StopPlace
from rules.calendar import MAINLAND_CHINA
from scripts.icons import ICONS
from tests.end_to_end.support.stories import ENDS, REFUSALS
from web.console import charts, html_forms, labels, rendering
from web.console.sampling import Sample, Sampler
from web.console.viewer import viewer_of
from web.http.problems import Problem
from web.operations.condition import Condition, LogCondition, Parked, Partition
from web.operations.lag import Lag
from web.operations.parts import Part
from web.operations.queries import Ages, Board, Requests

CONSOLE = Path(rendering.__file__).parent
PLACEHOLDER = re.compile(r"%\(\w+\)s")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def request(query: str = "", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "query_string": query.encode(), "headers": raw, "path": "/", "method": "GET"})


@pytest.mark.parametrize(
    ("now", "due", "days"),
    [
        ((2026, 2, 13, 9), (2026, 2, 25, 23), 3),  # Spring Festival, before it a Saturday at work
        ((2026, 2, 24, 9), (2026, 2, 25, 23), 1),
        ((2026, 2, 25, 9), (2026, 2, 25, 23), 0),
        ((2026, 11, 27, 9), (2026, 12, 1, 23), 2),  # over a weekend
        ((2026, 11, 30, 9), (2026, 11, 27, 23), 0),  # overdue
        ((2050, 3, 4, 9), (2050, 3, 8, 23), 2),  # no calendar is announced: Monday to Friday
    ],
)
def test_the_time_left_is_shown_in_business_days(now: tuple[int, ...], due: tuple[int, ...], days: int) -> None:
    today, last = (datetime(*one, tzinfo=SHANGHAI) for one in (now, due))
    days_left: Any = rendering.pages(lambda: None, timedelta(), MAINLAND_CHINA).environments["en"].globals["days_left"]
    assert days_left(today, last) == days


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        (request(), "en"),
        (request(accept_language="zh-CN,zh;q=0.9,en;q=0.8"), "zh"),
        (request(accept_language="fr, en-GB;q=0.8, zh;q=0.5"), "en"),
        (request(accept_language="fr"), "en"),
        (request(accept_language="en", cookie="language=zh"), "zh"),
        (request("lang=en", cookie="language=zh"), "en"),
        (request("lang=xx", cookie="language=../zh"), "en"),
    ],
)
def test_the_reader_is_spoken_to_in_a_language_they_know(asked: Request, language: str) -> None:
    assert viewer_of(asked).language == language


@pytest.mark.parametrize(
    ("cookie", "zone"),
    [("Europe/Berlin", "Europe/Berlin"), ("../../etc/passwd", "Asia/Shanghai"), ("Mars", "Asia/Shanghai")],
)
def test_a_zone_that_does_not_exist_is_not_looked_for(cookie: str, zone: str) -> None:
    assert viewer_of(request(cookie=f"zone={cookie}")).zone.key == zone


def test_every_refusal_has_its_words() -> None:
    assert {*get_args(Code), *get_args(EndingCode)} <= set(labels.REFUSAL)


def values_of(named: Any) -> tuple[str, ...]:
    """Return the values of a closed list, which carries its name beside them."""
    return get_args(get_args(named)[0])


@pytest.mark.parametrize(
    ("meanings", "codes"),
    [
        (labels.STATUS, values_of(StatusCode)),
        (labels.POSTING, values_of(SeenPostingStatus)),
        (labels.KIND, values_of(Kind)),
        (labels.KIND_IN_SHORT, values_of(Kind)),
        (labels.ROUTE, values_of(Route)),
        (labels.PHASE, values_of(Phase)),
        (labels.REASON, values_of(ReturnReason)),
        (labels.EVENT, [name.partition(".")[0] for name in EVENT_TYPES]),
    ],
)
def test_every_code_has_its_words(meanings: Mapping[str, str], codes: tuple[str, ...]) -> None:
    assert set(meanings) == set(codes)


def test_every_refusal_that_a_reader_can_meet_has_its_sentence() -> None:
    of_requests = {
        code for code, refusal in REFUSALS.items() if isinstance(refusal.when, RequestReturn | RequestReissue)
    }
    by_the_tax_side = {code for code in ENDS if code.startswith("RED_FONT_FORM") or code == "POSTING_STATUS_CHANGED"}
    assert len(of_requests) > 10
    assert len(by_the_tax_side) > 10
    assert of_requests | by_the_tax_side <= set(labels.REFUSAL)


def test_everything_that_the_page_says_is_translated() -> None:
    options = {"**/templates/**.html": {"trim_blocks": "1", "lstrip_blocks": "1", "newstyle_gettext": "1"}}
    methods = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
    keywords = {**DEFAULT_KEYWORDS, "translate": None}
    said = {
        message
        for _, _, found, _, _ in extract_from_dir(CONSOLE, methods, options, keywords)
        for message in ([found] if isinstance(found, str) else [tuple(one for one in found if one)])
    }
    with (CONSOLE / "locale" / "zh" / "LC_MESSAGES" / "console.po").open("rb") as file:
        translated = {message.id: message for message in read_po(file, locale="zh") if message.id}
    assert {one if isinstance(one, str) else tuple(one) for one in translated} == said, "make messages"
    for id_, message in translated.items():
        english = id_ if isinstance(id_, str) else id_[-1]
        chinese = message.string if isinstance(message.string, str) else (message.string or ("",))[0]
        assert chinese, english
        assert not message.fuzzy, english
        assert set(PLACEHOLDER.findall(chinese)) == set(PLACEHOLDER.findall(english)), english


def test_a_refused_form_keeps_what_was_entered_under_a_new_id() -> None:
    form = {"key": ["first"], "remarks": ["kept"], "charge_ids": ["a", "b"]}
    faults: list[JsonValue] = [
        {"field": "remarks", "code": "REMARKS_TOO_LONG"},
        {"field": "buyer.name", "message": "too short"},
    ]
    problem = Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "X", "", details={"faults": faults})
    filled = html_forms.refilled(form, problem)
    assert filled.values["remarks"] == "kept"
    assert filled.chosen == ["a", "b"]
    assert filled.faults == {"remarks": "REMARKS_TOO_LONG", "buyer.name": "name"}
    assert filled.key != "first"


def test_a_form_that_could_not_be_sent_keeps_its_id_so_that_it_is_never_taken_twice() -> None:
    problem = Problem(HTTPStatus.SERVICE_UNAVAILABLE, "COMMANDS_UNAVAILABLE", "")
    filled = html_forms.refilled({"key": ["first"]}, problem)
    assert (filled.key, filled.faults) == ("first", {"": "COMMANDS_UNAVAILABLE"})


def sampler(*samples: Sample) -> Sampler:
    made = Sampler(None, None)  # type: ignore[arg-type] - nothing is looked at
    for sample in samples:
        made.note(sample)
    return made


def looked(seconds: int, commands: int, **but: Any) -> Sample:
    at = datetime(2026, 2, 25, tzinfo=UTC) + timedelta(seconds=seconds)
    return Sample(at, done={"commands": commands, "events": 2 * commands}, **but)


def test_throughput_is_what_was_passed_between_two_looks() -> None:
    samples = list(sampler(looked(0, 100), looked(10, 150), Sample(datetime.now(UTC)), looked(20, 90)).throughput())
    assert [(commands, events) for _, commands, events in samples] == [(5, 10), (0, 0)]


def test_a_rebuilt_table_is_no_throughput() -> None:
    looks = (looked(0, 100, tables=(7, 8)), looked(10, 9000, tables=(7, 9)), looked(20, 9010, tables=(7, 9)))
    assert [commands for _, commands, _ in sampler(*looks).throughput()] == [1]


@pytest.mark.parametrize("dark", [True, False])
def test_pictures_are_images_that_load_nothing(*, dark: bool) -> None:
    lags = (Lag("redletter.worker", 7, 1.5),)
    seen = sampler(looked(0, 1, lags=lags), looked(5, 8, lags=lags), Sample(datetime.now(UTC), ("kafka",)))
    for drawn in (
        charts.lag(list(seen.samples), SHANGHAI, str, dark=dark),
        charts.throughput(seen, SHANGHAI, str, dark=dark),
        charts.returns([Ages("verifying_form", 0, 3), Ages("complete", 4, 1)], str, dark=dark),
        charts.lag([], SHANGHAI, str, dark=dark),
    ):
        tree = ET.fromstring(drawn)  # noqa: S314 - drawn here
        assert tree.tag.endswith("}svg")
        assert not [one for one in tree.iter() if one.tag.endswith("}script")]
        assert not re.search(r"(href|src)=|url\(|@import", drawn)


def test_static_files_change_their_address_with_their_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "page.css").write_text("a")
    monkeypatch.setattr(rendering, "FOLDER", tmp_path)
    before = rendering.assets_fingerprint()
    (tmp_path / "static" / "page.css").write_text("b")
    assert rendering.assets_fingerprint() != before


def test_the_sprite_has_the_icons_that_are_shown() -> None:
    sprite = (CONSOLE / "templates" / "icons.svg").read_text()
    source = "".join(file.read_text() for file in [*CONSOLE.glob("templates/*.html"), *CONSOLE.glob("static/*.js")])
    assert re.findall(r'id="icon-([a-z0-9-]+)"', sprite) == list(ICONS)
    assert [name for name in ICONS if not re.search(rf"['\"-]{name}['\"]", source)] == []
    assert set(re.findall(r"icon\('([a-z0-9-]+)'", source)) <= set(ICONS)


@pytest.mark.parametrize("steering", ["\u202e", "\u2066", "\u200f", "\x1b", "\x07", "\x9b", "\x00"])
def test_what_steers_a_text_is_shown_instead_of_obeyed(steering: str) -> None:
    environment = rendering.pages(lambda: None, timedelta(), MAINLAND_CHINA).environments["en"]
    shown = environment.from_string("<p title='{{ name }}'>{{ name }}</p>").render(name=f"Acme{steering}<b>")
    assert steering not in shown
    assert shown.count(f"Acme\\u{ord(steering):04x}&lt;b&gt;") == 2


def test_line_ends_and_every_script_stay_as_they_are() -> None:
    environment = rendering.pages(lambda: None, timedelta(), MAINLAND_CHINA).environments["en"]
    name = "红字发票\n\tשלום Åse"
    assert environment.from_string("{{ name }}").render(name=name) == name


def test_what_a_reader_entered_comes_back_as_it_was() -> None:
    environment = rendering.pages(lambda: None, timedelta(), MAINLAND_CHINA).environments["en"]
    entered = "\u202e<remarks>"
    shown = environment.from_string("<textarea>{{ entered|as_entered }}</textarea>").render(entered=entered)
    assert shown == "<textarea>\u202e&lt;remarks&gt;</textarea>"


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("//evil.example/", "/evil.example/?lang=zh"),
        ("/\\evil.example/", "/evil.example/?lang=zh"),
        ("\\/\\evil.example", "/evil.example?lang=zh"),
        ("/details/26312000000000000001", "/details/26312000000000000001?lang=zh"),
        ('/"x', "/%22x?lang=zh"),
    ],
)
def test_no_link_leads_to_another_host(path: str, address: str) -> None:
    assert rendering._link(path, {"lang": "zh"}) == address  # pyright: ignore[reportPrivateUsage] - a filter of the templates


def test_the_id_of_a_command_is_never_taken_from_an_address() -> None:
    filled = html_forms.opened(request("key=planted&remarks=kept"))
    assert filled.key != "planted"
    assert filled.values == {"remarks": "kept"}


def test_the_board_says_how_each_part_is_since_when_and_what_to_do() -> None:
    noon = datetime(2026, 2, 13, 12, tzinfo=UTC)
    unread = Partition("redletter.clock", "invoice.events", 3, 17, "it is another log", noon, 0)
    known = Condition(LogCondition(1234, 95.0, ["partition 5 differs"]), [unread], (), ())
    waiting = Requests("OpenRedFontForm.v1", "repeated", 12, 7200.0, noon)
    board = Board([], [], [], [], [], [], [])
    facts: Mapping[str, Any] = {
        "ages": (),
        "reasons": (),
        "last": None,
        "rate": None,
        "out_of_date": (),
        "requests": [waiting],
        "parked": Parked(),
        "system_parts": [
            Part("relay", "role", "behind", 1234, 95.0, "LOG_UNPUBLISHED"),
            Part("clock", "role", "running", 0),
        ],
        "seen_since": {"relay": noon, "clock": noon},
        "stops": [StopPlace("status", "invoice.events", 2, 9, "it cannot", noon)],
    }
    pages = rendering.pages(lambda: None, timedelta(), MAINLAND_CHINA)
    page = pages.show(request(x_fragment="1"), "board.html", board=board, known=known, **facts)
    text = " ".join(re.sub("<[^>]*>", " ", bytes(page.body).decode()).split())
    assert "relay role Behind 13 Feb 2026, 20:00 1,234 2 minutes read the logs of the relay" in text
    assert "clock role Running 13 Feb 2026, 20:00 0 " in text
    assert "redletter.clock invoice.events/3 17 it is another log 13 Feb 2026, 20:00 redletter positions show" in text
    assert "status invoice.events/2 9 it cannot 13 Feb 2026, 20:00 after a fix: redletter projections resume" in text
    assert "partition 5 differs one server came back older" in text
    assert "OpenRedFontForm Repeated 12 2 hours 13 Feb 2026, 20:00" in text
    assert "ask whoever runs the tax connector" in text
