"""Each record is read alone: a command, or every reason why it is none."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.commands import CancelReturn, RegisterInvoice
from service.inbox import LARGEST_COMMAND, Received, Unreadable, read
from tests.service.records import CANCEL, NUMBER, REGISTER, binary, headers, raw, structured
from transport.stepping import Record, Undecodable


def received(record: Record) -> Received:
    read_as = read(record)
    assert isinstance(read_as, Received), read_as
    return read_as


def faults(record: Record) -> dict[str, str]:
    read_as = read(record)
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
    assert (command.id, command.source, command.correlation) == ("id-1", "urn:test", "story")
    assert command.traceparent is not None


def test_a_command_is_read_in_structured_mode() -> None:
    command = received(structured("CancelReturn", CANCEL, correlationid="story"))
    assert isinstance(command.command, CancelReturn)
    assert command.correlation == "story"


def test_without_a_correlation_the_commands_own_id_is_taken() -> None:
    assert received(binary("CancelReturn", CANCEL)).correlation == "id-1"


def test_the_digest_is_that_of_the_json_value_whatever_the_mode_or_the_order() -> None:
    turned = dict(reversed(CANCEL.items()))
    digests = {
        received(record).digest
        for record in (
            binary("CancelReturn", CANCEL),
            binary("CancelReturn", turned),
            structured("CancelReturn", CANCEL),
            raw(json.dumps(CANCEL, indent=4).encode(), tuple(reversed(headers("CancelReturn")))),
        )
    }
    assert len(digests) == 1


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
        (raw(b" " * (LARGEST_COMMAND + 1), headers("CancelReturn")), "data"),
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
    ],
)
def test_what_is_wrong_with_a_record_is_named(record: Record, field: str) -> None:
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
    received(raw(body + b" " * (LARGEST_COMMAND - len(body)), headers("CancelReturn")))


def test_headers_that_mean_nothing_to_us_may_hold_anything() -> None:
    more = (("x", None), ("y", b"\xff\xfe"), ("traceparent", b"nonsense"), ("ce_correlationid", b"\xff"))
    command = received(raw(json.dumps(CANCEL).encode(), headers("CancelReturn") + more))
    assert (command.traceparent, command.correlation) == (None, "id-1")


def test_an_undecodable_record_says_so() -> None:
    read_as = read(Undecodable("invoice.commands.tax", 0, 7, "invalid start byte"))
    assert isinstance(read_as, Unreadable)
    assert (read_as.reason, read_as.error) == ("UNDECODABLE_RECORD", "headers: invalid start byte")


def test_the_number_is_known_even_when_the_rest_is_wrong() -> None:
    read_as = read(binary("CancelReturn", {"invoice_number": NUMBER}))
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


@given(value=st.none() | st.binary(max_size=60) | ANY_JSON.map(lambda v: json.dumps(v).encode()), told=ANY_HEADERS)
def test_nothing_that_can_be_sent_raises(value: bytes | None, told: list[tuple[str, bytes | None]]) -> None:
    assert isinstance(read(raw(value, tuple(told))), Unreadable)


@given(data=ANY_JSON, attribute=st.sampled_from(["id", "source", "type", "subject", "data", "time"]))
def test_no_structured_event_raises(data: Any, attribute: str) -> None:
    read(structured("CancelReturn", CANCEL, **{attribute: data}))
