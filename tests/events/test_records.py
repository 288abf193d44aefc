"""What other services read and write: a record of any client in either mode as a message, a command as a record."""

import json
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import cast

import pytest

from events import cloudevents, records
from events.catalogue import COMMAND_TYPES, json_of
from events.command_records import CommandRecord, read_command
from events.commands import AnyCommand, RecordPostingStatus, RegisterInvoice
from events.records import Attributes, ConsumedHeaders, Unread
from tests.events.support.growth import grown
from tests.events.support.messages import MESSAGES

CASES = [(name, which) for name, made in MESSAGES.items() for which in made]
AT = datetime(2026, 2, 13, 1, 30, tzinfo=UTC)
SOURCE = "urn:example:portal"


@dataclass
class Consumed:
    """A record as aiokafka has it."""

    headers: ConsumedHeaders
    value: bytes | None


class Confluent:
    """A record as confluent-kafka has it."""

    def __init__(self, record: Consumed) -> None:
        self._record = record

    def headers(self) -> ConsumedHeaders:
        return self._record.headers

    def value(self) -> bytes | None:
        return self._record.value


def published(name: str, body: bytes | None, version: int | None = 3) -> Consumed:
    headers = cloudevents.headers(
        id="id-1",
        source="urn:redletter:worker",
        name=name,
        subject="26312000000000000001",
        time=AT,
        correlation="journey",
        causation="cause",
        version=version,
    )
    return Consumed(headers, body)


def structured(record: Consumed) -> Consumed:
    said = {name.removeprefix("ce_"): (value or b"").decode() for name, value in record.headers or ()}
    del said["content-type"]
    value = json.dumps({**said, "data": json.loads(record.value or b"")}).encode()
    return Consumed([("content-type", b"application/cloudevents+json; charset=utf-8")], value)


@pytest.mark.parametrize(("name", "which"), CASES)
def test_a_record_of_either_mode_and_of_any_client_is_its_message(name: str, which: str) -> None:
    message = MESSAGES[name][which]
    record = published(name, json_of(message))
    assert records.read(record) == records.read(Confluent(record)) == records.read(structured(record)) == message


@pytest.mark.parametrize("name", MESSAGES)
def test_fields_that_are_still_to_come_are_ignored(name: str) -> None:
    message = MESSAGES[name]["least"]
    more = json.dumps(grown(json.loads(json_of(message)))).encode()
    assert records.read(published(name, more)) == message


@pytest.mark.parametrize("type_", ["redletter.invoice.InvoiceShredded.v1", "InvoiceIssued.v1", "com.example.Sold"])
def test_types_that_are_still_to_come_and_those_of_others_are_named_and_not_read(type_: str) -> None:
    record = published("InvoiceIssued.v1", b"{}")
    headers = [(name, type_.encode() if name == "ce_type" else value) for name, value in record.headers or ()]
    assert records.read(Consumed(headers, b"{}")) == Unread(type_, "of a type that this release does not know")


def test_an_event_that_kafka_did_not_take_is_not_read_but_its_version_counts() -> None:
    record = published("InvoiceIssued.v1", None)
    assert records.read(record) == Unread("redletter.invoice.InvoiceIssued.v1", "without a value")
    assert records.attributes(record).version == 3


def test_the_attributes_are_those_of_the_record_in_either_mode() -> None:
    record = published("InvoiceIssued.v1", b"{}")
    type_, subject = "redletter.invoice.InvoiceIssued.v1", "26312000000000000001"
    expected = Attributes("id-1", "urn:redletter:worker", type_, subject, 3, "cause", "journey", None)
    assert records.attributes(record) == records.attributes(structured(record)) == expected


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (Consumed(None, b"{}"), "it has no id, source, type"),
        (Consumed([("ce_id", b"1"), ("ce_source", b"x")], b"{}"), "it has no type"),
        (Consumed([("content-type", b"application/cloudevents+json")], None), "it has no id, source, type"),
        (Consumed([("content-type", b"application/cloudevents+json")], b"[1]"), "Input should be an object"),
    ],
)
def test_what_is_no_cloud_event_is_refused_with_the_reason(record: Consumed, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        records.read(record)


def test_a_body_that_is_not_one_of_its_type_is_refused() -> None:
    with pytest.raises(ValueError, match="CreditNoteIssued"):
        records.read(published("CreditNoteIssued.v1", b'{"invoice_number": 1}'))


@pytest.mark.parametrize(("name", "which"), [case for case in CASES if case[0] in COMMAND_TYPES])
@pytest.mark.parametrize("mode", [False, True], ids=["binary", "structured"])
def test_redletter_reads_a_written_command_as_it_was_meant(name: str, which: str, *, mode: bool) -> None:
    command = cast("AnyCommand", MESSAGES[name][which])
    written = records.write(command, id="id-1", source=SOURCE, structured=mode)
    read = read_command(written.headers, written.key, written.value)
    assert isinstance(read, CommandRecord)
    assert (read.command, read.id, read.source) == (command, "id-1", SOURCE)
    assert written.topic == command.CHANNEL.value


def test_an_answer_continues_the_journey_of_what_it_answers() -> None:
    cause = Attributes("request-1", SOURCE, "", None, None, None, "journey", "00-" + "1" * 32 + "-" + "2" * 16 + "-01")
    command = cast("AnyCommand", MESSAGES["CompleteReturn.v1"]["least"])
    written = records.write(command, id="1", source=SOURCE, cause=cause)
    answer = records.attributes(Consumed(written.headers, written.value))
    assert (answer.causation_id, answer.correlation_id, answer.traceparent) == (
        "request-1",
        "journey",
        cause.traceparent,
    )


def test_what_redletter_would_call_malformed_is_never_written() -> None:
    registered = cast("RegisterInvoice", MESSAGES["RegisterInvoice.v1"]["least"])
    for bad in (
        registered.model_copy(update={"total_amount": Decimal(106)}),  # written as "106"
        RecordPostingStatus.of_valid(
            invoice_number=registered.invoice_number, posting_status="recorded", observed_at=AT.replace(tzinfo=None)
        ),
    ):
        with pytest.raises(ValueError, match="must be"):
            records.write(bad, id="id-1", source=SOURCE)


@pytest.mark.parametrize(
    ("id_", "source"), [("", SOURCE), ("x" * 129, SOURCE), ("a\n", SOURCE), ("1", "a b"), ("1", "")]
)
def test_an_id_or_a_source_that_redletter_would_not_take_is_refused(id_: str, source: str) -> None:
    command = cast("AnyCommand", MESSAGES["CancelReturn.v1"]["least"])
    with pytest.raises(ValueError, match="id must be 1 to 128 characters"):
        records.write(command, id=id_, source=source)


def test_a_structured_record_may_carry_its_body_in_base64() -> None:
    message = MESSAGES["CancelReturn.v1"]["least"]
    event = {"specversion": "1.0", "id": "1", "source": SOURCE, "type": "redletter.invoice.CancelReturn.v1"}
    value = json.dumps({**event, "data_base64": b64encode(json_of(message)).decode()}).encode()
    assert records.read(Consumed([("content-type", b"application/cloudevents+json")], value)) == message
