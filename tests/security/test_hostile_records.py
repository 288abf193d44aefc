"""Hostile records on the command topics, each with what must happen. What is decided is what the worker decides."""

import gzip
import json
from base64 import b64encode
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from events.catalogue import COMMAND_TYPES, json_of
from events.command_records import MAX_COMMAND_BYTES
from events.topics import Channel
from service.log.entries import DeadLetterEntry, ReplyEntry
from service.worker.reading import MAX_RECORD_BYTES
from tests.events.support.messages import MESSAGES
from tests.service.support.decided import Deciding
from tests.service.support.records import CANCEL, NUMBER, Headers, binary, headers, raw, structured

LONGEST_REPLY = 80_000
"""Bytes: those of a hundred faults, as long as they get."""
BODY = json.dumps(CANCEL).encode()
ELSEWHERE = [
    (name, topic)
    for name, kind in COMMAND_TYPES.items()
    for topic in Channel
    if topic != kind.CHANNEL and name in MESSAGES
]


def codes(record: Any) -> tuple[list[str], list[str]]:
    """Return the codes of the replies to a record, and the reasons of its dead letters; nothing else comes of it."""
    entries = Deciding().take(record)
    replies = [entry for entry in entries if isinstance(entry, ReplyEntry)]
    letters = [entry for entry in entries if isinstance(entry, DeadLetterEntry)]
    assert len(replies) + len(letters) == len(entries)
    assert all(len(reply.value) < LONGEST_REPLY for reply in replies)
    return [json.loads(reply.value)["code"] for reply in replies], [letter.reason for letter in letters]


@pytest.mark.parametrize(("name", "topic"), ELSEWHERE)
def test_a_publisher_of_one_topic_can_give_no_order_of_another(name: str, topic: Channel) -> None:
    body = json.loads(json_of(MESSAGES[name]["least"]))
    record = raw(
        json.dumps(body).encode(),
        headers(name.removesuffix(".v1")),
        key=body["invoice_number"].encode(),
        topic=topic.value,
    )
    assert codes(record) == (["WRONG_CHANNEL"], [])


def cancel(value: bytes | None = BODY, key: bytes | None = NUMBER.encode(), **attributes: bytes | None) -> Any:
    return raw(value, headers("CancelReturn", **attributes), key=key)


def amend(changes: bytes) -> Any:
    return raw(BODY[:-1] + b', "changes": ' + changes + b"}", headers("AmendInvoice"))


def event(**but: object) -> Any:
    return structured("CancelReturn", CANCEL, **but)


MALFORMED = {
    "nothing": cancel(b""),
    "no value": cancel(None),
    "no JSON": cancel(b"{"),
    "two documents": cancel(BODY + BODY),
    "a list": cancel(b"[]"),
    "null": cancel(b"null"),
    "a text": cancel(b'"RequestReturn"'),
    "a byte order mark": cancel(b"\xef\xbb\xbf" + BODY),
    "UTF-16": cancel(BODY.decode().encode("utf-16")),
    "bytes that are no text": cancel(b"\xff\xfe\x00"),
    "an overlong encoding": cancel(BODY.replace(b"account", b"acc\xc0\xafount", 1)),
    "half of a surrogate": cancel(BODY.replace(b'"account"}', b'"\\ud800"}')),
    "compressed twice": cancel(gzip.compress(BODY)),
    "XML": cancel(b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"),
    "YAML that makes objects": cancel(b"!!python/object/apply:os.system ['true']"),
    "a pickle": cancel(b"\x80\x04\x95cos\nsystem\n."),
    "not a number": cancel(BODY[:-1] + b', "x": NaN}'),
    "infinity": amend(b'{"a": 1e999}'),
    "a number of 200,000 digits": amend(b'{"a": ' + b"9" * 200_000 + b"}"),
    "100,000 lists in lists": cancel(b"[" * 100_000),
    "50,000 objects in objects": cancel(b'{"a":' * 50_000),
    "65 objects in objects": amend(b'{"a":' * 65 + b"1" + b"}" * 65),
    "a name twice": cancel(b'{"account_id": "other", ' + BODY[1:]),
    "a name twice, written in two ways": cancel(b'{"account\\u005fid": "other", ' + BODY[1:]),
    "a prototype": cancel(BODY[:-1] + b', "__proto__": {"admin": true}}'),
    "a field more": cancel(BODY[:-1] + b', "operator": true}'),
    "NUL in a value": cancel(BODY.replace(b'"account"}', b'"a\\u0000"}')),
    "NUL in a name": amend(b'{"a\\u0000": 1}'),
    "an escape sequence of a terminal": cancel(BODY.replace(b'"account"}', b'"\\u001b[2J"}')),
    "an end of line": cancel(BODY.replace(b'"account"}', b'"a\\nb"}')),
    "text that turns around": cancel(BODY.replace(b'"account"}', b'"a\\u202eb"}')),
    "blanks for an account": cancel(BODY.replace(b'"account"}', b'"   "}')),
    "an account of 65 characters": cancel(BODY.replace(b'"account"}', b'"' + b"a" * 65 + b'"}')),
    "an account as a number": cancel(BODY.replace(b'"account"}', b"7}")),
    "an account as a query": cancel(BODY.replace(b'"account"}', b'{"$ne": null}}')),
    "a number with a sign": cancel(BODY.replace(NUMBER.encode(), b"+" + NUMBER.encode()[1:])),
    "digits of another script": cancel(json.dumps(CANCEL | {"invoice_number": "\uff12" * 20}).encode()),
    "a path for a number": cancel(BODY.replace(NUMBER.encode(), b"../../../etc/passwd0")),
    "the key of another invoice": cancel(key=b"26999999999999999999"),
    "no key": cancel(key=None),
    "a key that is no text": cancel(key=b"\xff" * 20),
    "a command that is too long": amend(b'{"a": "' + b"x" * MAX_COMMAND_BYTES + b'"}'),
    "25,000 fields more": cancel(BODY[:-1] + b"".join(b', "%d": 1' % number for number in range(25_000)) + b"}"),
    "a type that there is not": cancel(ce_type=b"redletter.invoice.DropInvoice.v1"),
    "the type of an event": cancel(ce_type=b"redletter.invoice.InvoiceReturned.v1"),
    "the type of a reply": cancel(ce_type=b"redletter.invoice.CommandAccepted.v1"),
    "a type of another vendor": cancel(ce_type=b"com.example.RequestReturn.v1"),
    "a type too long": cancel(ce_type=b"redletter.invoice." + b"x" * 300 + b".v1"),
    "a type that is no text": cancel(ce_type=b"\xff\xfe"),
    "another version of CloudEvents": cancel(ce_specversion=b"2.0"),
    "another kind of content": cancel(**{"content-type": b"text/html"}),
    "the subject of another invoice": cancel(ce_subject=b"26999999999999999999"),
    "a subject too long": cancel(ce_subject=b"2" * 300),
    "a correlation too long": cancel(ce_correlationid=b"c" * 300),
    "two ways to carry the body": event(data_base64=b64encode(BODY).decode()),
    "a body that is no base64": structured("CancelReturn", None, data_base64="\u00e9"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_no_command_is_answered_and_kept(what: str) -> None:
    assert codes(MALFORMED[what]) == (["MALFORMED_COMMAND"], ["MALFORMED_COMMAND"])


NAMELESS = {
    "no headers": raw(BODY),
    "an id too long": cancel(ce_id=b"i" * 129),
    "an id with NUL": cancel(ce_id=b"i\x00"),
    "an id with an end of line": cancel(ce_id=b"i\nERROR forged"),
    "an id with an escape sequence": cancel(ce_id=b"\x1b]0;owned\x07"),
    "an id that is no text": cancel(ce_id=b"\xff"),
    "no id": cancel(ce_id=None),
    "an empty id": cancel(ce_id=b""),
    "a source too long": cancel(ce_source=b"urn:" + b"s" * 300),
    "no source": cancel(ce_source=None),
    "an empty source": cancel(ce_source=b""),
    "10,000 headers": raw(BODY, tuple((f"h{number}", b"") for number in range(10_000))),
}


@pytest.mark.parametrize("what", NAMELESS)
def test_whoever_does_not_say_who_they_are_is_kept_and_not_answered(what: str) -> None:
    assert codes(NAMELESS[what]) == ([], ["MALFORMED_COMMAND"])


@pytest.mark.parametrize(
    "record",
    [
        cancel(b" " * MAX_RECORD_BYTES + BODY),
        cancel(ce_extra=b"x" * MAX_RECORD_BYTES),
        cancel(key=b"2" * (MAX_RECORD_BYTES + 1)),
    ],
    ids=["value", "header", "key"],
)
def test_what_is_too_large_is_answered_and_not_kept(record: ConsumerRecord[bytes | None, bytes | None]) -> None:
    (letter, *_) = [entry for entry in Deciding().take(record) if isinstance(entry, DeadLetterEntry)]
    assert (letter.reason, letter.value) == ("TOO_LARGE", None)


def test_the_id_of_another_publisher_is_still_free() -> None:
    """Topic, source and id are the key: who says that they are another, on a topic of their own, uses nothing up."""
    deciding = Deciding()
    own: Headers = headers("CancelReturn", ce_source=b"urn:redletter:api:victim")
    squatted = binary(
        "RefuseReissue", {**CANCEL, "reissue_id": "r", "reason": "x"}, ce_source=b"urn:redletter:api:victim"
    )
    deciding.take(squatted)
    (reply,) = deciding.take(raw(BODY, own, offset=1))
    assert isinstance(reply, ReplyEntry)
    assert json.loads(reply.value)["code"] == "INVOICE_NOT_FOUND"
