"""The documented service accepts the commands that it is measured with."""

from itertools import chain
from typing import cast

import pytest

from benchmarks.naive import Invoice, Invoices
from benchmarks.workload import waves
from events.commands import RecordPostingStatus, RegisterInvoice, RequestReturn
from service.worker.reading import Received
from tests.service.support.records import as_read, raw


def test_the_documented_service_accepts_every_command_of_the_workload() -> None:
    invoices = Invoices()
    for sent in chain.from_iterable(waves(range(1))):
        received = as_read(raw(sent.value or b"", tuple(sent.headers), key=sent.key, topic=sent.topic))
        assert isinstance(received, Received)
        match received.command:
            case RegisterInvoice() as command:
                invoices.register(command)
            case RecordPostingStatus() as command:
                invoices.change_posting_status(command)
            case RequestReturn() as command:
                invoices.request_return(command)
            case other:
                pytest.fail(f"the workload holds a {type(other).__name__}")
    (number,) = {str(sent.key, "ascii") for sent in chain.from_iterable(waves(range(1))) if sent.key}
    invoice = cast("Invoice", invoices.repository.get(Invoice.create_id(number)))
    assert (invoice.version, invoice.status) == (3, "return_in_progress")
