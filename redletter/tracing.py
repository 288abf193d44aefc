"""Traces for OpenTelemetry: the steps that are taken on messages, as spans.

A step is a span when its message carries a W3C trace context that is sampled: whoever publishes a command decides.
Imported only where traces are exported.
"""

from collections.abc import Callable, Iterable
from threading import Thread

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from transport import spans
from transport.spans import Context, Step, is_first

_END_SECONDS = 1.0
_KINDS = {
    "publish": SpanKind.PRODUCER,
    "decide": SpanKind.CONSUMER,
    "commit": SpanKind.INTERNAL,
    "relay": SpanKind.PRODUCER,
    "project": SpanKind.CONSUMER,
    "send": SpanKind.PRODUCER,
}
"""By verb of a step."""


def export_by_otlp(role: str) -> Callable[[], None]:
    """Export the traces of this process by OTLP over HTTP; return what exports the rest at its end, within a second.

    OpenTelemetry's variables count: endpoint, headers, certificates, time-outs, size of batches, resource attributes.
    """
    processor = BatchSpanProcessor(OTLPSpanExporter())
    export(role, processor)

    def end() -> None:
        ending = Thread(target=processor.shutdown, daemon=True)  # it tries a collector that is away for much longer
        ending.start()
        ending.join(_END_SECONDS)

    return end


def export(role: str, processor: SpanProcessor) -> None:
    """Give each step that is traced to a processor, as a span of the service ``redletter-ROLE``."""
    resource = Resource.create({"service.name": f"redletter-{role}", "service.namespace": "redletter"})

    def collect(steps: Iterable[Step], begun: int, ended: int) -> None:
        for step in steps:
            if (span := _span(step, resource, begun, ended)) is not None:
                processor.on_end(span)

    spans.collect_with(collect)


def _span(step: Step, resource: Resource, begun: int, ended: int) -> ReadableSpan | None:
    before, own = step.before, step.context
    if before is None or own is None or not before.sampled:
        return None
    return ReadableSpan(
        f"{step.verb} {step.name}",
        context=_span_context(own, is_remote=False),
        parent=None if is_first(before) else _span_context(before, is_remote=True),
        resource=resource,
        attributes={
            "messaging.system": "kafka",
            "messaging.operation.name": step.verb,
            "messaging.message.id": step.id,
        },
        kind=_KINDS[step.verb],
        start_time=begun,
        end_time=ended,
    )


def _span_context(context: Context, *, is_remote: bool) -> SpanContext:
    return SpanContext(int(context.trace, 16), int(context.span, 16), is_remote, TraceFlags(TraceFlags.SAMPLED))
