"""`why` shows each message below the one that caused it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redletter.message_trace import TracedMessage, causal_tree, trace_lines, waiting_sentence
from redletter.shown_times import shown_time

NOON = datetime(2026, 2, 13, 12, tzinfo=UTC)


def message(id_: str, causation: str | None, topic: str = "invoice.events", second: int = 0) -> TracedMessage:
    return TracedMessage(topic, NOON + timedelta(seconds=second), id_, id_, "urn:a", causation, None, "", {})


def test_effects_stand_below_their_causes_whatever_came_in_between() -> None:
    command = message("c", None, "invoice.commands.tax")
    other = message("o", None, "invoice.commands.customer", second=1)
    event, request = message("e", "c", second=2), message("r", "e", "tax.requests", second=3)
    assert list(causal_tree([command, other, event, request])) == [(0, command), (1, event), (2, request), (0, other)]
    assert [line.partition("+")[2].split()[1:3] for line in trace_lines([command, event])][:2] == [
        ["command", "c"],
        ["event", "e"],
    ]


def test_what_has_a_cause_that_is_not_there_stands_alone() -> None:
    event = message("e", "gone")
    assert list(causal_tree([event])) == [(0, event)]


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdefg") | st.none()))
def test_every_message_is_shown_once_whatever_ids_a_publisher_makes_up(causes: Mapping[str, str | None]) -> None:
    """Even causes that go round in a circle."""
    messages = [message(id_, causation) for id_, causation in causes.items()]
    assert sorted(shown.id for _, shown in causal_tree(messages)) == sorted(causes)


def told(name: str, topic: str = "invoice.events", second: int = 0, **body: object) -> TracedMessage:
    return TracedMessage(topic, NOON + timedelta(seconds=second), name, name, "urn:a", None, None, "", body)


ASKED = told("ReturnRequested", second=1)
REQUEST = told("OpenRedFontForm", "tax.requests", second=2, attempt=3)
FAILED = told("ReversalAttemptFailed", second=3, retry_at="2026-02-13T12:10:00+00:00")


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], ""),
        ([told("InvoiceIssued")], ""),
        (
            [told("RequestReturn", "invoice.commands.customer")],
            "waiting for the reply to RequestReturn since {12:00:00}",
        ),
        ([ASKED], "waiting for the tax platform since {12:00:01}"),
        ([ASKED, REQUEST], "waiting for the tax platform since {12:00:01}, OpenRedFontForm attempt 3"),
        (
            [ASKED, REQUEST, FAILED],
            "waiting for the tax platform since {12:00:01}, next try {12:10:00}, OpenRedFontForm attempt 3",
        ),
        ([ASKED, told("InvoiceReturned", second=9)], "the return is complete"),
        (
            [ASKED, told("ReturnRefused", second=9, code="RED_FONT_FORM_FOR_OTHER_INVOICE", details={})],
            "the return was refused: The form was created for another invoice (RED_FONT_FORM_FOR_OTHER_INVOICE)",
        ),
    ],
)
def test_the_last_line_says_what_an_invoice_waits_for(messages: list[TracedMessage], said: str) -> None:
    def local(found: re.Match[str]) -> str:
        return shown_time(datetime.fromisoformat(f"2026-02-13T{found[1]}+00:00"))

    assert waiting_sentence(messages) == re.sub("{(.*?)}", local, said)
