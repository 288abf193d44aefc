"""A return as OpenTelemetry shows it: one trace, in which every step follows the one that caused it."""

from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from projections import projector
from redletter import tracing
from rules.calendar import MAINLAND_CHINA
from service import clock, relay
from service.worker import role as worker
from tax_simulator import role as simulator
from tests.end_to_end.support.client import connected
from tests.service.support.orders import ACCOUNT, register
from tests.service.support.records import POLICY
from tests.support.tasks import running
from tests.support.waiting import until
from tests.web.support.serving import serving
from transport import spans
from transport.addresses import Addresses

NUMBER = "26990000000000000001"
CONTEXT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
DAY = timedelta(days=1)
FOLLOWS = {
    "decide RequestReturn": "publish RequestReturn",
    "commit RequestReturn": "decide RequestReturn",
    "relay ReturnRequested": "decide RequestReturn",
    "project ReturnRequested": "relay ReturnRequested",
    "send OpenRedFontForm": "relay ReturnRequested",
    "decide ConfirmRedFontForm": "publish RequestReturn",
    "relay RedFontFormConfirmed": "decide ConfirmRedFontForm",
    "send IssueCreditNote": "relay RedFontFormConfirmed",
    "decide CompleteReturn": "publish RequestReturn",
    "relay InvoiceReturned": "decide CompleteReturn",
    "project InvoiceReturned": "relay InvoiceReturned",
}
"""Some of the steps, and the step before each. An answer of the tax side carries the context of the journey."""


async def test_a_return_is_one_trace_from_its_publication_to_the_answers_of_the_tax_side(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter, roles, unshifted = InMemorySpanExporter(), AsyncExitStack(), timedelta()
    monkeypatch.setattr(spans, "_collectors", [])
    tracing.export("tests", SimpleSpanProcessor(exporter))
    works = (
        worker.run(addresses, clock_shift=unshifted, policy=POLICY, calendar=MAINLAND_CHINA),
        relay.run(addresses),
        projector.run(addresses),
        clock.run(addresses, clock_shift=unshifted, calendar=MAINLAND_CHINA, repeat=DAY, repeat_max=DAY),
        simulator.run(addresses, clock_shift=unshifted),
    )
    async with roles, connected(addresses.kafka) as billing, serving(addresses) as http:
        for work in works:
            await roles.enter_async_context(running(work))
        await billing.submit(register(NUMBER, kind="general", charges=["c"]))
        traceparent = f"00-{CONTEXT[0]}-{CONTEXT[1]}-01"
        headers = {"Idempotency-Key": "click", "traceparent": traceparent}
        asked = await http.post(f"/invoices/{NUMBER}/return", json={"account_id": ACCOUNT}, headers=headers)
        assert asked.status_code == 200, asked.text

        async def returned() -> bool:
            return {"project InvoiceReturned", "commit CompleteReturn"} <= {
                span.name for span in exporter.get_finished_spans()
            }

        await until(returned)

    found = exporter.get_finished_spans()
    contexts = [span.context for span in found if span.context]
    assert {format(context.trace_id, "032x") for context in contexts} == {CONTEXT[0]}
    names = {context.span_id: span.name for context, span in zip(contexts, found, strict=True)}
    names[int(CONTEXT[1], 16)] = "the caller"
    before = {span.name: names[span.parent.span_id] for span in found if span.parent}
    assert before["publish RequestReturn"] == "the caller"
    assert {name: before[name] for name in FOLLOWS} == FOLLOWS
    assert all(span.start_time <= span.end_time for span in found if span.start_time and span.end_time)
    assert len(names) == len(found) + 1
