"""Texts that name people are taken out of events, sealed in a standard envelope, and put back in."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from joserfc import jwe
from joserfc.jwk import OctKey
from pydantic_core import from_json

from events.catalogue import EVENT_TYPES, json_of, read_event
from events.compact_jwe import WrongKey, invoice_of, seal, unseal
from events.invoice_events import AnyInvoiceEvent, ReissueRefused, ReturnRefused
from events.privacy import PRIVACY
from events.schemas import schema
from events.sealing import SEALED_TEXT, SEALED_URL, put_back, put_back_into, sealed_fields, take_out
from projections.details.row import Reissue
from tests.events.support.messages import HAPPENED, MESSAGES, NUMBER, SEALED

KEY = bytes(range(32))
READABLE: Mapping[str, str] = {
    "TaxId": "the form rules compare tax ids",
    "Facts": "of all facts of a refusal only what the tax side adds is text: detail",
    "ErasureReason": "why an invoice was erased outlives it",
    "PersonalDataErased.RequestedBy": "and who asked for it",
    "ReturnRefused.message": "our own words, unless the tax side adds its own",
}
"""Kinds of personal values, and of free text, that are not sealed, and why."""
CASES = [
    pytest.param(event, id=f"{name} {which}")
    for name in EVENT_TYPES
    for which, event in MESSAGES[name].items()
    if which != "sealed"
]


def texts_of(name: str, body: object) -> Iterator[tuple[str, str]]:
    """Yield what is personal or free text in an event, with the kind of each value."""
    whole = schema(name)
    parts = whole["$defs"]

    def within(owner: str, node: Mapping[str, Any], value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for field, inner in value.items():
            yield from behind(f"{owner}.{field}", node["properties"][field], inner)

    def behind(field: str, node: Mapping[str, Any], value: Any) -> Iterator[tuple[str, str]]:
        if "items" in node:
            for item in value:
                yield from behind(field, node["items"], item)
        elif "$ref" in node:
            kind = node["$ref"].rpartition("/")[2]
            yield from behind(kind, parts[kind], value)
        elif "properties" in node:
            yield from within(field, node, value)
        elif PRIVACY[field] in {"personal", "free text"}:
            yield field, value

    yield from within(name.partition(".")[0], whole, body)  # pyright: ignore[reportArgumentType] - an object


@pytest.mark.parametrize("event", CASES)
def test_what_is_personal_or_free_text_is_taken_out_of_every_event(event: AnyInvoiceEvent) -> None:
    stored, _ = take_out(event)
    kind = type(event).__name__
    left = {
        field
        for field, value in texts_of(f"{kind}.v1", from_json(json_of(stored)))
        if not READABLE.keys() & {field, f"{kind}.{field}"} and value not in {SEALED_TEXT, SEALED_URL}
    }
    assert left == set()


@pytest.mark.parametrize("event", CASES)
def test_what_was_taken_out_is_put_back_where_it_was(event: AnyInvoiceEvent) -> None:
    stored, texts = take_out(event)
    name = f"{type(event).__name__}.v1"
    assert read_event(name, json_of(stored)) == stored, "placeholders are valid"
    assert put_back(stored, texts) == event
    if texts:
        body = from_json(json_of(stored.but(sealed="all")))
        assert put_back_into([body], {"all": texts}.get) == [from_json(json_of(event))]


def test_what_the_tax_side_adds_to_a_refusal_is_taken_out_of_both_places() -> None:
    facts = {"return_id": "r", "code": "BLOCKED", "message": "Ask. It said: 张三", "details": {"detail": "张三"}}
    event = ReturnRefused.model_validate(HAPPENED | facts)
    stored, texts = take_out(event)
    assert texts == {"/message": "Ask. It said: 张三", "/details/detail": "张三"}
    assert "张三" not in json_of(stored).decode()
    assert put_back(stored, texts) == event


def test_a_part_of_an_event_gets_the_texts_that_it_has_a_place_for() -> None:
    part: Any = {"buyer": {"name": SEALED_TEXT}, "documents": [{"url": SEALED_URL}], "sealed": "all"}
    texts = {"/buyer/name": "王", "/documents/0/url": "https://x", "/charges/0/description": "d", "/remarks": "r"}
    assert put_back_into(part, {"all": texts}.get) == {"buyer": {"name": "王"}, "documents": [{"url": "https://x"}]}


def test_a_part_of_two_events_gets_the_texts_of_both() -> None:
    refused = ReissueRefused.model_validate(MESSAGES["ReissueRefused.v1"]["least"])
    both: Any = {"remarks": SEALED_TEXT, "reason": SEALED_TEXT, "sealed": ["one", "two"]}
    assert sealed_fields([both]) == ["one", "two"]
    opened = put_back_into(both, {"one": {"/remarks": "soon"}, "two": dict(take_out(refused)[1])}.get)
    assert opened == {"remarks": "soon", "reason": refused.reason}
    assert Reissue.model_fields.keys() >= both.keys()


def test_what_cannot_be_opened_stays_as_it_is() -> None:
    part: Any = {"buyer": {"name": SEALED_TEXT}, "sealed": "all"}
    assert put_back_into(part, lambda _: None) == part


def test_any_library_for_jose_opens_it() -> None:
    sealed = seal(KEY, NUMBER, {"/buyer/name": "王"})
    opened = jwe.decrypt_compact(sealed, OctKey.import_key(KEY))
    assert opened.headers() == {"alg": "dir", "enc": "A256GCM", "kid": NUMBER}
    assert from_json(opened.plaintext or b"") == {"/buyer/name": "王"}


def test_what_another_library_sealed_is_opened() -> None:
    header = {"alg": "dir", "enc": "A256GCM", "kid": NUMBER}
    sealed = jwe.encrypt_compact(header, b'{"/remarks":"soon"}', OctKey.import_key(KEY))
    assert (invoice_of(sealed), unseal(KEY, sealed)) == (NUMBER, {"/remarks": "soon"})


def test_the_same_texts_are_never_sealed_alike() -> None:
    assert seal(KEY, NUMBER, {"/remarks": "a"}) != seal(KEY, NUMBER, {"/remarks": "a"})


@pytest.mark.parametrize("part", [0, 2, 3, 4])
def test_what_was_changed_or_has_another_key_is_refused(part: int) -> None:
    parts = seal(KEY, NUMBER, {"/remarks": "soon"}).split(".")
    other = seal(KEY, "26312000000000000002", {"/remarks": "late"}).split(".")
    with pytest.raises(WrongKey, match="does not open"):
        unseal(KEY, ".".join([*parts[:part], other[part], *parts[part + 1 :]]))
    with pytest.raises(WrongKey):
        unseal(bytes(32), ".".join(parts))


def test_the_published_example_opens_to_the_full_one() -> None:
    sealed: Any = MESSAGES["InvoiceIssued.v1"]["sealed"]
    assert put_back(sealed, unseal(KEY, SEALED)).but(sealed=None) == MESSAGES["InvoiceIssued.v1"]["full"]
