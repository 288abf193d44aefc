"""Steps on messages become spans of one trace, and nothing at all while nobody collects."""

from collections.abc import Iterable, Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from redletter import tracing
from transport import spans
from transport.spans import Step

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = f"{SAMPLED[:-2]}00"


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Collect the steps of one test."""
    monkeypatch.setattr(spans, "_collectors", [])
    exporter = InMemorySpanExporter()
    tracing.export("tests", SimpleSpanProcessor(exporter))
    return exporter


def recorded(exporter: InMemorySpanExporter, *steps: Step) -> list[ReadableSpan]:
    spans.record(steps, 1, 2)
    return list(exporter.get_finished_spans())


def test_a_step_follows_the_span_that_its_message_names(exporter: InMemorySpanExporter) -> None:
    (span,) = recorded(exporter, Step("decide", "RequestReturn", "click-1", SAMPLED))
    assert span.parent
    assert format(span.parent.span_id, "016x") == "00f067aa0ba902b7"
    assert span.resource.attributes["service.name"] == "redletter-tests"
    assert (span.name, span.start_time, span.end_time) == ("decide RequestReturn", 1, 2)


def test_a_step_after_another_finds_it_without_being_told(exporter: InMemorySpanExporter) -> None:
    decide = Step("decide", "RequestReturn", "click-1", SAMPLED)
    relay = Step("relay", "ReturnRequested", "event-1", SAMPLED, after=("decide", "click-1"))
    first, second = recorded(exporter, decide, relay)
    assert second.parent
    assert first.context
    assert second.parent.span_id == first.context.span_id


def test_each_sending_of_a_request_is_a_span_of_its_own(exporter: InMemorySpanExporter) -> None:
    sendings = [Step("send", "IssueCreditNote", "r", SAMPLED, ("relay", "event-1"), attempt) for attempt in (1, 2)]
    assert len({span.context.span_id for span in recorded(exporter, *sendings) if span.context}) == 2


@pytest.mark.parametrize("traceparent", [None, UNSAMPLED, "nonsense", f"{SAMPLED}-more"])
def test_what_is_not_traced_makes_no_span(exporter: InMemorySpanExporter, traceparent: str | None) -> None:
    assert recorded(exporter, Step("decide", "RequestReturn", "click-1", traceparent)) == []


def test_a_publication_without_a_context_begins_a_trace(exporter: InMemorySpanExporter) -> None:
    step, carried = spans.publication("RequestReturn", "click-1", None)
    root, decided = recorded(exporter, step, Step("decide", "RequestReturn", "click-1", carried))
    assert root.parent is None
    assert root.context
    assert decided.parent
    assert decided.parent.span_id == root.context.span_id


def test_while_nobody_collects_messages_carry_what_they_would_and_no_step_is_looked_at() -> None:
    def steps() -> Iterator[Step]:
        raise AssertionError
        yield

    assert spans.publication("RequestReturn", "click-1", SAMPLED)[1] == SAMPLED
    assert spans.publication("RequestReturn", "click-1", None)[1] is None
    looked_at: Iterable[Step] = steps()
    spans.record(looked_at, 1)
