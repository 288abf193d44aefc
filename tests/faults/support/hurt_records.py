"""Anything that a publisher may send: valid commands of every type, hurt in bytes, headers, mode, codec and size."""

import json
import random
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from events.catalogue import COMMAND_TYPES, json_of
from events.topics import Channel
from tests.events.support.messages import MESSAGES
from tests.events.support.messages import NUMBER as EXAMPLE
from tests.faults.support.load import Sent, scripts

SOURCE = b"urn:tests:anything"
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
MIB = 1024 * 1024
LARGE_EVERY = 400
"""One record of so many is around or beyond a bound of the size."""
FIRST_NUMBER = 500_000
"""Invoices that are hurt have numbers from here on; the load's own are below."""
MAX_RESIDENT_BYTES = 400 * 1024 * 1024
"""Bytes of memory that a role may have, whatever it is sent."""


@dataclass(frozen=True)
class Hurt:
    """A record as a publisher would write it, and the codec of its batch."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    codec: str = "none"


class Anything:
    """Makes records, the same ones from the same seed."""

    def __init__(self, seed: int, invoices: int = 40) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - a test's choice
        self._numbers = [script.number for script in scripts(invoices, first=FIRST_NUMBER)]
        steps = [step for script in scripts(invoices, first=FIRST_NUMBER) for step in script.steps]
        self._valid = [*map(_hurt, steps), *self._examples()]
        self._made = 0

    def records(self, count: int) -> Iterator[Hurt]:
        """Yield so many records; about one in ten is left as it was."""
        for _ in range(count):
            self._made += 1
            record = self._renamed(self._rng.choice(self._valid), f"any-{self._made}")
            for _ in range(self._rng.choices((0, 1, 2, 4), (1, 6, 2, 1))[0]):
                record = self._rng.choice(_WAYS)(record, self._rng)
            if self._made % LARGE_EVERY == 0:
                record = self._rng.choice(_LARGE)(record, self._rng)
            yield replace(record, codec=self._rng.choice(CODECS))

    def _examples(self) -> Iterator[Hurt]:
        """Yield the golden examples of every command, about each invoice."""
        for name, command in COMMAND_TYPES.items():
            for example in MESSAGES[name].values():
                for number in self._numbers:
                    value = json_of(example).replace(EXAMPLE.encode(), number.encode())
                    headers = (
                        ("ce_specversion", b"1.0"),
                        ("ce_id", b""),
                        ("ce_source", SOURCE),
                        ("ce_type", f"redletter.invoice.{name}".encode()),
                    )
                    yield Hurt(command.CHANNEL.value, number.encode(), value, headers)

    def _renamed(self, record: Hurt, id_: str) -> Hurt:
        """Give a record an id of its own, or sometimes one that was there before."""
        if self._rng.random() < 0.05:
            id_ = f"any-{self._rng.randrange(1, self._made + 1)}"
        return replace(record, headers=_with(record, "ce_id", id_.encode()))


def _hurt(step: Sent) -> Hurt:
    record = Hurt(step.topic, step.key, step.value, step.headers)
    return replace(record, headers=_with(record, "ce_source", SOURCE))


def _with(record: Hurt, name: str, value: bytes | None) -> tuple[tuple[str, bytes | None], ...]:
    return (*((other, kept) for other, kept in record.headers if other != name), (name, value))


Way = Callable[[Hurt, random.Random], Hurt]
_TEXTS: Sequence[Any] = (
    None,
    0,
    -0.0,
    1,
    1.5,
    True,
    10**400,
    "",
    " ",
    "\0",
    "a\0b",
    "\u202e",
    "\u2066x",
    "\x1b[2J",
    "a\n",
    "云",
    "x" * 65,
    "x" * 201,
    "26000000000000500000",
    "2026-02-30",
    "2026-06-30T23:59:60Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "9999-12-31",
    "0001-01-01",
    "-0.00",
    "1e2",
    "9999999999999999.99",
    "-9999999999999999.99",
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"a": {"b": [1.0]}},
    ["x"] * 1001,
    "\U0010ffff",
    "０１",
)
_RAW = (
    b"1e400",
    b"-1e999",
    b"NaN",
    b'"\\ud800"',
    b'"\\u0000"',
    b"1" * 400,
    b"[" * 70 + b"]" * 70,
    b"[" * 300,
    b"01",
    b"'x'",
    b'{"a":1,"a":2}',
    b"\xff",
    b"1.0",
    b"1E0",
)
_HEADERS = (
    None,
    b"",
    b"\xff\xfe",
    b"\0",
    b"x" * 257,
    b"\n",
    b"1.0",
    b"application/json",
    b"application/cloudevents+json",
    b"application/cloudevents-batch+json",
    b"text/plain",
    b"2026-13-45T99:99:99Z",
    b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01",
    b"urn:x",
    "云".encode(),
    b"redletter.invoice.RequestReturn.v1",
    b"redletter.invoice.InvoiceIssued.v1",
    b"redletter.invoice.",
)
_NAMES = (
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_subject",
    "ce_time",
    "ce_correlationid",
    "ce_causationid",
    "ce_dataschema",
    "traceparent",
    "content-type",
    "x",
    "",
    "ü",
    "dl_reason",
)


def _bytes(record: Hurt, rng: random.Random) -> Hurt:
    value = bytearray(record.value or b"")
    at, length = rng.randrange(len(value) + 1), rng.randrange(1, 20)
    match rng.randrange(5):
        case 0:
            value[at : at + 1] = rng.randbytes(1)
        case 1:
            value[at:at] = rng.randbytes(length)
        case 2:
            del value[at : at + length]
        case 3:
            value[at:at] = value[at : at + length]
        case _:
            del value[at:]
    return replace(record, value=bytes(value))


def _no_command(record: Hurt, rng: random.Random) -> Hurt:
    return replace(record, value=rng.choice((None, b"", b"null", b"[]", b"{}", b"\xef\xbb\xbf{}", rng.randbytes(50))))


def _field(record: Hurt, rng: random.Random) -> Hurt:
    """Put something else into one field, at any depth, or add one."""
    try:
        body = json.loads(record.value or b"")
    except ValueError:
        return record
    objects = [found for found in _objects(body) if found]
    if not objects:
        return record
    inside = rng.choice(objects)
    name = rng.choice([*inside, *inside, "more", "\0", "invoice_number"])
    if rng.random() < 0.1:
        inside.pop(name, None)
    else:
        inside[name] = rng.choice(_TEXTS)
    return replace(record, value=json.dumps(body, ensure_ascii=rng.random() < 0.5).encode("utf-8", "replace"))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(inner)


def _raw_value(record: Hurt, rng: random.Random) -> Hurt:
    """Write one value as no JSON encoder would, or a member twice."""
    head, colon, tail = (record.value or b"").rpartition(b":")
    ending = tail[len(tail.rstrip(b"]} ")) :]
    if not colon:
        return record
    if rng.random() < 0.3:
        return replace(
            record, value=head + colon + tail.rstrip(b"]} ") + b"," + head.rpartition(b",")[2] + colon + tail
        )
    return replace(record, value=head + colon + rng.choice(_RAW) + ending)


def _header(record: Hurt, rng: random.Random) -> Hurt:
    name = rng.choice(_NAMES)
    match rng.randrange(4):
        case 0:
            return replace(record, headers=tuple(header for header in record.headers if header[0] != name))
        case 1:
            return replace(record, headers=(*record.headers, (name, rng.choice(_HEADERS))))
        case 2:
            return replace(record, headers=_with(record, name, rng.randbytes(rng.randrange(30))))
        case _:
            return replace(record, headers=_with(record, name, rng.choice(_HEADERS)))


def _key(record: Hurt, rng: random.Random) -> Hurt:
    return replace(record, key=rng.choice((None, b"", b"\xff", b"26000000000000500001", b"0" * 1000, rng.randbytes(8))))


def _topic(record: Hurt, rng: random.Random) -> Hurt:
    return replace(record, topic=rng.choice(list(Channel)).value)


def _mode(record: Hurt, rng: random.Random) -> Hurt:
    """Write the record in structured mode, sometimes with nothing in the headers, and sometimes badly."""
    event: dict[str, Any] = {}
    for name, value in record.headers:
        if name.startswith("ce_") and value is not None:
            event[name[3:]] = value.decode("utf-8", "replace")
    try:
        data: Any = json.loads(record.value or b"")
    except ValueError:
        data = (record.value or b"").decode("utf-8", "replace")
    if rng.random() < 0.3:
        event["data_base64"] = b64encode(record.value or b"").decode()
    else:
        event["data"] = data
    if rng.random() < 0.3:
        event[rng.choice(("id", "source", "type", "subject", "time", "data", "data_base64", "datacontenttype"))] = (
            rng.choice(_TEXTS)
        )
    headers = () if rng.random() < 0.3 else (("content-type", b"application/cloudevents+json"),)
    return replace(record, value=json.dumps(event).encode(), headers=headers)


_WAYS: tuple[Way, ...] = (
    _bytes,
    _field,
    _field,
    _field,
    _raw_value,
    _header,
    _header,
    _key,
    _topic,
    _mode,
    _no_command,
)


def _padded(record: Hurt, rng: random.Random) -> Hurt:
    size = rng.choice((256 * 1024, 256 * 1024 + 1, MIB - 1000, MIB + 1, 3 * MIB, 8 * MIB))
    return replace(record, value=(record.value or b"").ljust(size))


def _swollen_header(record: Hurt, rng: random.Random) -> Hurt:
    return replace(record, headers=_with(record, rng.choice(_NAMES), rng.choice((b'"', b"x", b"\xff")) * 900_000))


def _swollen_key(record: Hurt, rng: random.Random) -> Hurt:
    return replace(record, key=b"k" * rng.choice((100_000, 2 * MIB)))


def _many_faults(record: Hurt, rng: random.Random) -> Hurt:
    head = b'{"invoice_number":"26000000000000500000","account_id":"a",'
    body = rng.choice(
        (
            head + b",".join(b'"%x":1' % number for number in range(26_000)) + b"}",
            head + b'"charges":[' + b"{}," * 80_000 + b"{}]}",
            head + b'"charge_ids":[' + b"1," * 120_000 + b"1]}",
            head + b'"changes":{"' + b"n" * 30_000 + b'":[' + b'"\\u0000",' * 20_000 + b"1]}}",
            head + b'"changes":' + b'{"a":' * 40_000 + b"1" + b"}" * 40_000 + b"}",
            head + b'"remarks":"' + b"\\u0001" * 43_000 + b'"}',
            head + b'"red_font_form_number":"' + b"0" * 250_000 + b'"}',
        )
    )
    return replace(record, value=body)


_LARGE: tuple[Way, ...] = (_padded, _swollen_header, _swollen_key, _many_faults, _many_faults)
