"""The largest reply, event and dead letter that any record can lead to are taken by Kafka."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.catalogue import COMMAND_TYPES, json_of
from events.command_records import MAX_COMMAND_BYTES
from tests.events.support.messages import MESSAGES
from tests.faults.support.hurt_records import Hurt
from tests.faults.support.load import Sent, scripts
from tests.service.support.decided import Deciding, decoded
from tests.service.support.records import CANCEL, NUMBER, headers

MIB = 1024 * 1024
ROOM = MAX_COMMAND_BYTES - 2048
"""Bytes of a body that one field may fill."""


def deciding(steps: int) -> tuple[Deciding, str]:
    """Return decisions after so many steps of a recorded special invoice's return, and its number."""
    script = scripts(2)[1]
    own = Deciding()
    for offset, sent in enumerate(script.steps[:steps]):
        own.take(decoded(_record(sent), offset))
    return own, script.number


def _record(sent: Sent) -> Hurt:
    return Hurt(sent.topic, sent.key, sent.value, sent.headers)


def hurt(name: str, body: bytes, *, key: str = NUMBER, **attributes: bytes | None) -> Hurt:
    return Hurt(COMMAND_TYPES[f"{name}.v1"].CHANNEL.value, key.encode(), body, headers(name, **attributes), "gzip")


FIELDS = json.dumps(CANCEL).encode()[:-1]
ATTACKS = {
    "a type of 900,000 quotes": hurt("CancelReturn", b"{}", ce_type=b'"' * 900_000),
    "attributes of 200,000 characters each": hurt(
        "CancelReturn",
        b"{}",
        **dict.fromkeys(("ce_type", "ce_subject", "ce_correlationid", "ce_time"), b"\x01" * 200_000),
    ),
    "3,000 NULs under a long name": hurt(
        "AmendInvoice", FIELDS + b',"changes":{"' + b"n" * 30_000 + b'":[' + b'"\\u0000",' * 3_000 + b"1]}}"
    ),
    "28,000 NULs under 1,000 letters": hurt(
        "AmendInvoice", FIELDS + b',"changes":{"' + b"n" * 1_000 + b'":[' + b'"\\u0000",' * 28_000 + b"1]}}"
    ),
    "30,000 unknown fields": hurt(
        "CancelReturn", FIELDS + b"," + b",".join(b'"%x":1' % number for number in range(25_000)) + b"}"
    ),
    "1,000 charges with 42 unknown fields each": hurt(
        "RegisterInvoice",
        FIELDS
        + b',"charges":'
        + json.dumps([{chr(97 + n): 1 for n in range(26)}] * 1000, separators=(",", ":")).encode()
        + b"}",
    ),
    "120,000 charges that are none": hurt("RequestReissue", FIELDS + b',"charge_ids":[' + b"1," * 120_000 + b"1]}"),
    "500 charges twice": hurt(
        "RequestReissue", FIELDS + b',"charge_ids":' + json.dumps([f"{n:0>64}" for n in range(500)] * 2).encode() + b"}"
    ),
    "deep nesting": hurt("AmendInvoice", FIELDS + b',"changes":' + b'{"a":' * 40_000 + b"1" + b"}" * 40_000 + b"}"),
    "one name of 250,000 characters": hurt("CancelReturn", FIELDS + b',"' + b"x" * 250_000 + b'":1}'),
    "a number of 250,000 digits": hurt("AmendInvoice", FIELDS + b',"changes":{"a":' + b"1" * 250_000 + b"}}"),
    "a repeated name of 100,000 characters": hurt(
        "CancelReturn", FIELDS + (b',"' + b"x" * 100_000 + b'":1') * 2 + b"}"
    ),
    "a value of 8 MiB in a few KiB": hurt("CancelReturn", b" " * 8 * MIB),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_a_reply_to_a_known_attack_is_small(attack: Hurt) -> None:
    entries = Deciding().take(decoded(attack, 0))
    reply = entries[-1]
    assert sum(len(part) for part in (getattr(reply, "value", b""), getattr(reply, "key", b""))) < MIB // 4


TEXTS = ('"', "\\", "\x01", "\x7f", "字", "\U0001f600", "x", "0", "26000000000000000002 ")
"""What JSON writes longer than it is, and what it does not."""


@st.composite
def swollen(draw: st.DrawFn) -> tuple[int, str, dict[str, Any]]:
    """Return how far the invoice is, a command's name, and a body that one of its fields fills."""
    name = draw(st.sampled_from(sorted(COMMAND_TYPES)))
    example = draw(st.sampled_from(sorted(MESSAGES[name])))
    body: dict[str, Any] = json.loads(json_of(MESSAGES[name][example]))
    inside = draw(st.sampled_from([body, *(value for value in body.values() if isinstance(value, dict))]))
    field = draw(st.sampled_from([*inside, "more"]))
    inside[field] = draw(fillings())
    return draw(st.integers(1, 17)), name.removesuffix(".v1"), body


def fillings() -> st.SearchStrategy[Any]:
    """Return strategies for values that fill a body: one long text, many short ones, or many members."""
    long = st.sampled_from(TEXTS).map(lambda text: text * (ROOM // len(json.dumps(text)[1:-1])))
    many = st.sampled_from(TEXTS).map(lambda text: [text + str(number) for number in range(ROOM // 30)])
    members = st.sampled_from(TEXTS).map(lambda text: {text + str(number): text for number in range(ROOM // 40)})
    charges = st.sampled_from(TEXTS).map(
        lambda text: [{"charge_id": f"c{n}", "amount": "1.00", "description": text * 5} for n in range(1000)]
    )
    return long | many | members | charges


@settings(max_examples=120)
@given(large=swollen())
def test_whatever_field_fills_a_command_all_that_comes_of_it_is_published(
    large: tuple[int, str, dict[str, Any]],
) -> None:
    steps, name, body = large
    own, number = deciding(steps)
    body["invoice_number"] = number
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    own.take(decoded(hurt(name, text, key=number), 1000))


@given(
    attribute=st.sampled_from(
        ("ce_id", "ce_source", "ce_type", "ce_subject", "ce_time", "ce_correlationid", "traceparent", "x")
    ),
    filler=st.sampled_from(TEXTS),
)
@settings(max_examples=60)
def test_whatever_header_fills_a_record_all_that_comes_of_it_is_published(attribute: str, filler: str) -> None:
    value = (filler * (900_000 // len(filler.encode()))).encode()
    attributes: dict[str, Any] = {attribute: value}
    Deciding().take(decoded(hurt("CancelReturn", json.dumps(CANCEL).encode(), **attributes), 0))
