"""Each record is read alone: a command, or every reason why it is none."""

import json
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.command_records import MAX_COMMAND_BYTES
from events.commands import CancelReturn, RegisterInvoice
from service.worker.reading import Received, Unreadable
from tests.service.support.records import CANCEL, NUMBER, REGISTER, as_read, binary, headers, raw, structured
from transport.records import KafkaRecord, Undecodable


def received(record: KafkaRecord) -> Received:
    read_as = as_read(record)
    assert isinstance(read_as, Received), read_as
    return read_as


def faults(record: KafkaRecord) -> dict[str, str]:
    read_as = as_read(record)
    assert isinstance(read_as, Unreadable), read_as
    return {fault.field: fault.message for fault in read_as.faults}


def test_a_command_is_read_in_binary_mode() -> None:
    command = received(
        binary(
            "RegisterInvoice",
            REGISTER,
            ce_correlationid=b"story",
            traceparent=b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01",
        )
    )
    assert isinstance(command.command, RegisterInvoice)
    assert (command.id, command.source, command.trace.correlation) == ("id-1", "urn:test", "story")
    assert command.trace.traceparent is not None


def test_a_command_is_read_in_structured_mode() -> None:
    command = received(structured("CancelReturn", CANCEL, correlationid="story"))
    assert isinstance(command.command, CancelReturn)
    assert command.trace.correlation == "story"


def test_without_a_correlation_the_commands_own_id_is_taken() -> None:
    assert received(binary("CancelReturn", CANCEL)).trace.correlation == "id-1"


def digest(record: KafkaRecord) -> bytes:
    return received(record).digest


def test_the_digest_is_the_same_whatever_the_mode_or_the_order() -> None:
    turned = dict(reversed(CANCEL.items()))
    written = json.dumps(CANCEL, indent=4).encode()
    digests = {
        digest(record)
        for record in (
            binary("CancelReturn", CANCEL),
            binary("CancelReturn", turned),
            structured("CancelReturn", CANCEL),
            structured("CancelReturn", None, data_base64=b64encode(written).decode()),
            raw(written, tuple(reversed(headers("CancelReturn")))),
        )
    }
    assert len(digests) == 1


AMENDED = {"rate": 1, "terms": [{"days": 30, "note": None}], "big": 10**20}


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("RequestReturn", CANCEL, CANCEL | {"reason": None, "remarks": None}),
        ("RegisterInvoice", REGISTER, REGISTER | {"buyer": {"name": "Buyer", "tax_id": None}}),
        ("AmendInvoice", CANCEL | {"changes": {"rate": 1}}, CANCEL | {"changes": {"rate": 1.0}}),
        ("AmendInvoice", CANCEL | {"changes": {"rate": 0}}, CANCEL | {"changes": {"rate": -0.0}}),
        (
            "AmendInvoice",
            CANCEL | {"changes": AMENDED},
            CANCEL | {"changes": {"big": 1e20, "terms": [{"days": 30.0}], "rate": 1.0, "more": None}},
        ),
    ],
)
def test_a_command_is_the_same_when_it_is_read_the_same(name: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert digest(binary(name, one)) == digest(binary(name, other)) == digest(structured(name, other))


@pytest.mark.parametrize("changes", [{"a": 2}, {"a": True}, {"a": "1"}, {"a": [1]}, {"a": 1.5}, {"a": [None]}, {}])
def test_other_changes_are_another_command(changes: dict[str, Any]) -> None:
    amended = binary("AmendInvoice", CANCEL | {"changes": {"a": 1}})
    assert digest(amended) != digest(binary("AmendInvoice", CANCEL | {"changes": changes}))


@pytest.mark.parametrize("exponent", [b"1", b"1.0", b"1e0", b"10E-1"])
def test_numbers_are_the_same_however_they_are_written(exponent: bytes) -> None:
    body = json.dumps(CANCEL).encode()[:-1] + b', "changes": {"rate": ' + exponent + b"}}"
    amended = digest(binary("AmendInvoice", CANCEL | {"changes": {"rate": 1}}))
    assert digest(raw(body, headers("AmendInvoice"))) == amended


def test_another_value_or_another_type_has_another_digest() -> None:
    amend = CANCEL | {"changes": {}}
    digests = [
        received(record).digest
        for record in (
            binary("CancelReturn", CANCEL),
            binary("CancelReturn", CANCEL | {"account_id": "other"}),
            binary("AmendInvoice", amend),
            binary("RequestReturn", CANCEL),
        )
    ]
    assert len(set(digests)) == len(digests)


def test_the_idempotency_key_is_topic_and_source_and_id() -> None:
    keys = [
        received(record).key
        for record in (
            binary("CancelReturn", CANCEL),
            binary("CancelReturn", CANCEL, topic="invoice.commands.tax"),
            binary("CancelReturn", CANCEL, ce_id=b"id-2"),
            binary("CancelReturn", CANCEL, ce_source=b"urn:other"),
        )
    ]
    assert len(set(keys)) == len(keys)
    assert received(binary("CancelReturn", CANCEL)).key == keys[0]


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (binary("CancelReturn", CANCEL, ce_id=None), "id"),
        (binary("CancelReturn", CANCEL, ce_id=b""), "id"),
        (binary("CancelReturn", CANCEL, ce_id=b"x" * 129), "id"),
        (binary("CancelReturn", CANCEL, ce_id=b"\xff"), "id"),
        (binary("CancelReturn", CANCEL, ce_id=b"a\0b"), "id"),
        (binary("CancelReturn", CANCEL, ce_id=b"a\nb"), "id"),
        (binary("CancelReturn", CANCEL, ce_id="a\u0085b".encode()), "id"),
        (binary("CancelReturn", CANCEL, ce_source=b"s" * 257), "source"),
        (binary("CancelReturn", CANCEL, ce_type=b"t" * 257), "type"),
        (binary("CancelReturn", CANCEL, ce_correlationid=b"c" * 257), "correlationid"),
        (binary("CancelReturn", CANCEL, ce_subject=b"s" * 257), "subject"),
        (binary("CancelReturn", CANCEL, ce_time=b"2026-13-45T99:99:99Z"), "time"),
        (binary("CancelReturn", CANCEL, ce_time=b"2026-02-13T09:30:00"), "time"),
        (binary("CancelReturn", CANCEL, ce_source=b"not a uri"), "source"),
        (binary("CancelReturn", CANCEL, ce_specversion=b"0.3"), "specversion"),
        (binary("CancelReturn", CANCEL, ce_type=b"redletter.invoice.CancelReturn.v2"), "type"),
        (binary("CancelReturn", CANCEL, ce_type=b"CancelReturn.v1"), "type"),
        (binary("CancelReturn", CANCEL, ce_subject=b"26000000000000000002"), "subject"),
        (binary("CancelReturn", CANCEL, ce_time=b"yesterday"), "time"),
        (raw(b"{}", headers("CancelReturn", **{"content-type": b"text/plain"})), "datacontenttype"),
        (raw(None, headers("CancelReturn")), "data"),
        (raw(b"", headers("CancelReturn")), "data"),
        (raw(b"[]", headers("CancelReturn")), "data"),
        (raw(b"\xff\xfe", headers("CancelReturn")), "data"),
        (raw(b'{"invoice_number": NaN}', headers("CancelReturn")), "data"),
        (raw(b"[" * 100_000, headers("CancelReturn")), "data"),
        (raw(b" " * (MAX_COMMAND_BYTES + 1), headers("CancelReturn")), "data"),
        (raw(b'{"a": 1' + b"0" * 5000 + b"}", headers("AmendInvoice")), "data"),
        (replace(binary("CancelReturn", CANCEL), key=b"26000000000000000002"), "key"),
        (replace(binary("CancelReturn", CANCEL), key=None), "key"),
        (binary("CancelReturn", CANCEL | {"more": 1}), "more"),
        (binary("CancelReturn", CANCEL | {"account_id": "a\0b"}), "account_id"),
        (binary("AmendInvoice", CANCEL | {"changes": {"a": ["b\0"]}}), "changes.a.0"),
        (binary("RegisterInvoice", REGISTER | {"net_amount": 100}), "net_amount"),
        (binary("RegisterInvoice", REGISTER | {"charges": []}), "charges"),
        (binary("RegisterInvoice", REGISTER | {"charges": REGISTER["charges"] * 2}), "charges"),
        (structured("CancelReturn", CANCEL, datacontenttype="text/plain"), "datacontenttype"),
        (structured("CancelReturn", CANCEL, id=7), "id"),
        (structured("CancelReturn", CANCEL, id=None), "id"),
        (structured("CancelReturn", CANCEL, correlationid="c" * 257), "correlationid"),
        (structured("CancelReturn", None), "data"),
        (structured("CancelReturn", CANCEL, data_base64="e30="), "data"),
        (structured("CancelReturn", None, data_base64="e30"), "data"),
        (structured("CancelReturn", None, data_base64="{}"), "data"),
        (structured("CancelReturn", None, data_base64={}), "data"),
        (structured("CancelReturn", None, data_base64="e30="), "invoice_number"),
        (raw(b'{"invoice_number": 1, "invoice_number": 1}', headers("CancelReturn")), "data"),
        (raw(b'{"a": {"b": [{"c": 1, "c": 2}]}}', headers("AmendInvoice")), "data"),
        (raw(b'{"changes": {"a": 1e400}}', headers("AmendInvoice")), "changes"),
        (raw(b'{"a": "\\ud800"}', headers("AmendInvoice")), "data"),
        (raw(b'{"a": ' + b"[" * 64 + b"]" * 64 + b"}", headers("AmendInvoice")), "data"),
        (binary("CancelReturn", CANCEL | {"account_id": " "}), "account_id"),
        (binary("CancelReturn", CANCEL | {"account_id": "a\u202eb"}), "account_id"),
        (binary("RequestReissue", CANCEL | {"charge_ids": ["c"] * 1001}), "charge_ids"),
    ],
)
def test_what_is_wrong_with_a_record_is_named(record: KafkaRecord, field: str) -> None:
    assert field in faults(record)


def test_every_fault_is_named_at_once() -> None:
    wrong = REGISTER | {"net_amount": "1", "kind": "special!", "seller": {"name": 1}, "extra": True}
    assert set(faults(binary("RegisterInvoice", wrong, ce_subject=b"x"))) == {
        "net_amount",
        "kind",
        "seller.name",
        "seller.tax_id",
        "extra",
        "subject",
    }


def test_a_record_at_the_size_limit_is_still_read() -> None:
    body = json.dumps(CANCEL).encode()
    received(raw(body + b" " * (MAX_COMMAND_BYTES - len(body)), headers("CancelReturn")))


def test_the_members_of_a_structured_event_are_unique_too() -> None:
    event = structured("CancelReturn", CANCEL)
    twice = replace(event, value=(event.value or b"")[:-1] + b', "specversion": "1.0"}')
    assert "data" in faults(twice)
    read_as = as_read(twice)
    assert isinstance(read_as, Unreadable)
    assert (read_as.envelope.id, read_as.envelope.source) == ("id-1", "urn:test")


def test_a_body_may_be_as_deep_in_structured_mode_as_in_binary_mode() -> None:
    inner: Any = 1
    for _ in range(62):
        inner = [inner]
    deep = CANCEL | {"changes": {"a": inner}}
    assert digest(binary("AmendInvoice", deep)) == digest(structured("AmendInvoice", deep))
    deeper = CANCEL | {"changes": {"a": [inner]}}
    assert "data" in faults(binary("AmendInvoice", deeper))
    assert "data" in faults(structured("AmendInvoice", deeper))


def test_a_null_attribute_counts_as_absent() -> None:
    nothing = dict.fromkeys(("datacontenttype", "subject", "time", "correlationid", "traceparent", "data_base64"))
    assert received(structured("CancelReturn", CANCEL, **nothing)).trace.correlation == "id-1"
    absent = dict.fromkeys(("ce_subject", "ce_time", "ce_correlationid", "traceparent", "content-type"))
    assert received(binary("CancelReturn", CANCEL, **absent)).trace.correlation == "id-1"
    assert faults(structured("CancelReturn", CANCEL, source=None)) == {"source": "is missing"}
    assert faults(binary("CancelReturn", CANCEL, ce_source=None)) == {"source": "is missing"}


def test_a_record_without_headers_is_read_in_structured_mode() -> None:
    event = structured("CancelReturn", CANCEL)
    assert digest(replace(event, headers=())) == digest(event)
    assert digest(replace(event, headers=(("x", b"1"), ("content-type", None)))) == digest(event)


@pytest.mark.parametrize("value", [json.dumps(CANCEL).encode(), b'["specversion"]', b'"specversion"', b"{", None])
def test_without_headers_anything_else_is_a_command_without_attributes(value: bytes | None) -> None:
    assert {"specversion", "id", "source", "type"} <= faults(raw(value)).keys()


def test_with_an_attribute_in_the_headers_nothing_is_looked_for_in_the_value() -> None:
    event = replace(structured("CancelReturn", CANCEL), headers=(("ce_specversion", b"1.0"),))
    assert {"id", "source", "type"} <= faults(event).keys()


TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@pytest.mark.parametrize(
    "bad",
    [
        TRACE + "-" + "x" * 50_000,
        TRACE.upper(),
        TRACE[:-1],
        "ff" + TRACE[2:],
        TRACE.replace("a", "0"),
        TRACE.replace("b", "0"),
        TRACE + "\n",
    ],
)
def test_a_trace_context_that_is_none_is_left_out(bad: str) -> None:
    assert received(binary("CancelReturn", CANCEL, traceparent=TRACE.encode())).trace.traceparent == TRACE
    assert received(binary("CancelReturn", CANCEL, traceparent=bad.encode())).trace.traceparent is None
    assert received(structured("CancelReturn", CANCEL, traceparent=bad)).trace.traceparent is None


def test_the_beginning_of_a_type_that_is_too_long_is_known() -> None:
    read_as = as_read(binary("CancelReturn", CANCEL, ce_type=b'"' * 900_000))
    assert isinstance(read_as, Unreadable)
    assert read_as.envelope.type == '"' * 256


def test_headers_that_mean_nothing_to_us_may_hold_anything() -> None:
    more = (("x", None), ("y", b"\xff\xfe"), ("traceparent", b"nonsense"), ("ce_correlationid", b"\xff"))
    command = received(raw(json.dumps(CANCEL).encode(), headers("CancelReturn") + more))
    assert (command.trace.traceparent, command.trace.correlation) == (None, "id-1")


def test_an_undecodable_record_says_so() -> None:
    read_as = as_read(Undecodable("invoice.commands.tax", 0, 7, "invalid start byte"))
    assert isinstance(read_as, Unreadable)
    assert (read_as.reason, read_as.faults.sum_up()) == ("UNDECODABLE_RECORD", "headers: invalid start byte")


def test_the_number_is_known_even_when_the_rest_is_wrong() -> None:
    read_as = as_read(binary("CancelReturn", {"invoice_number": NUMBER}))
    assert isinstance(read_as, Unreadable)
    assert read_as.invoice_number == NUMBER


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ANY_HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["ce_id", "ce_source", "ce_type", "ce_specversion", "content-type", "ce_subject", "x"]),
        st.none() | st.binary(max_size=20) | st.just(b"application/cloudevents+json") | st.just(b"1.0"),
    ),
    max_size=8,
)


@given(value=st.none() | st.binary(max_size=60) | ANY_JSON.map(lambda v: json.dumps(v).encode()), headers=ANY_HEADERS)
def test_nothing_that_can_be_sent_raises(value: bytes | None, headers: list[tuple[str, bytes | None]]) -> None:
    assert isinstance(as_read(raw(value, tuple(headers))), Unreadable)


@given(data=ANY_JSON, attribute=st.sampled_from(["id", "source", "type", "subject", "data", "time"]))
def test_no_structured_event_raises(data: Any, attribute: str) -> None:
    as_read(structured("CancelReturn", CANCEL, **{attribute: data}))
