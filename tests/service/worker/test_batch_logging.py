"""What the worker logs: a line for each batch, and one more for each record that needs attention."""

from collections.abc import Sequence

from structlog.testing import capture_logs
from structlog.typing import EventDict

from service.worker.batch_logging import log_batch
from tests.service.support.answered import Answered
from tests.service.support.records import CANCEL, NUMBER, REGISTER, binary, raw
from transport.records import KafkaRecord

CREDIT_NOTE = {
    "invoice_number": NUMBER,
    "credit_note_number": "26000000000000000009",
    "issued_on": "2026-02-13",
    "form_number": "26000000000000000008",
    "net_amount": "-100.00",
    "tax_amount": "-6.00",
}


def logged(*records: KafkaRecord) -> Sequence[EventDict]:
    """Return the lines of these records' batch that are written at the usual level."""
    with capture_logs() as lines:
        log_batch(Answered().answer(*records), 0.25)
    return [line for line in lines if line["log_level"] != "debug"]


def test_a_batch_is_one_line_with_its_outcomes() -> None:
    register = binary("RegisterInvoice", REGISTER, ce_id=b"1")
    (line,) = logged(register, register, binary("CancelReturn", CANCEL, ce_id=b"2"))
    assert line == {
        "event": "batch_decided",
        "log_level": "info",
        "records": 3,
        "milliseconds": 250.0,
        "accepted": 2,
        "NO_RETURN_IN_PROGRESS": 1,
    }


def test_a_refusal_that_needs_attention_has_a_line_of_its_own() -> None:
    _, alarm = logged(
        binary("RegisterInvoice", REGISTER, ce_id=b"1"), binary("RecordCreditNote", CREDIT_NOTE, ce_id=b"2")
    )
    assert alarm == {
        "event": "alarming_refusal",
        "log_level": "error",
        "outcome": "NO_RETURN_IN_PROGRESS",
        "command": "redletter.invoice.RecordCreditNote.v1",
        "command_id": "2",
        "invoice": NUMBER,
        "version": 1,
        "correlation_id": "2",
    }


def test_a_dead_letter_has_a_line_that_says_where_its_record_lies() -> None:
    batch, dead = logged(raw(b"{", topic="invoice.commands.billing", offset=7))
    assert batch["unanswered"] == 1
    assert dead == {
        "event": "dead_letter",
        "log_level": "warning",
        "reason": "MALFORMED_COMMAND",
        "topic": "invoice.commands.billing",
        "partition": 0,
        "offset": 7,
    }


def test_at_the_level_debug_every_decision_has_a_line() -> None:
    with capture_logs() as lines:
        log_batch(Answered().answer(binary("RegisterInvoice", REGISTER)), 0.25)
    assert [line["outcome"] for line in lines if line["event"] == "command_decided"] == ["accepted"]
