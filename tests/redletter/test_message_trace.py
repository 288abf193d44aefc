"""`why` shows each message below the one that caused it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from redletter.message_trace import TracedMessage, causal_tree, trace_rows

NOON = datetime(2026, 2, 13, 12, tzinfo=UTC)


def message(id_: str, causation: str | None, topic: str = "invoice.events", second: int = 0) -> TracedMessage:
    return TracedMessage(topic, NOON + timedelta(seconds=second), id_, id_, "urn:a", causation, None, "", {})


def test_effects_stand_below_their_causes_whatever_came_in_between() -> None:
    command = message("c", None, "invoice.commands.tax")
    other = message("o", None, "invoice.commands.customer", second=1)
    event, request = message("e", "c", second=2), message("r", "e", "tax.requests", second=3)
    assert list(causal_tree([command, other, event, request])) == [(0, command), (1, event), (2, request), (0, other)]
    assert [row[2].strip().partition(",")[0] for row in trace_rows([command, event])] == ["c  [c]", "e"]


def test_what_has_a_cause_that_is_not_there_stands_alone() -> None:
    event = message("e", "gone")
    assert list(causal_tree([event])) == [(0, event)]


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdefg") | st.none()))
def test_every_message_is_shown_once_whatever_ids_a_publisher_makes_up(causes: Mapping[str, str | None]) -> None:
    """Even causes that go round in a circle."""
    messages = [message(id_, causation) for id_, causation in causes.items()]
    assert sorted(shown.id for _, shown in causal_tree(messages)) == sorted(causes)
