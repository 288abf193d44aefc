"""What Redletter writes may grow: its schemas are open, its readers ignore what they do not know, nothing is null."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from events.catalogue import COMMAND_TYPES, EVENT_TYPES, json_of, read_event, read_message
from events.command_bodies import read_body
from events.faults import Faults
from events.refusal_codes import Code, EndingCode
from events.schemas import TYPES, schema
from events.upcasting import WrittenByNewerRelease
from tests.events.support.growth import grown
from tests.events.support.messages import MESSAGES

WRITTEN = [name for name in MESSAGES if name not in COMMAND_TYPES]
CASES = [(name, which) for name in WRITTEN for which in MESSAGES[name]]


def objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for one in node.values():
            yield from objects(one)
    if isinstance(node, list):
        for one in node:
            yield from objects(one)


@pytest.mark.parametrize(("name", "which"), CASES)
def test_an_unknown_field_at_any_level_of_what_redletter_writes_is_ignored(name: str, which: str) -> None:
    message = MESSAGES[name][which]
    more = json.dumps(grown(json.loads(json_of(message)))).encode()
    assert (read_event(name, more) if name in EVENT_TYPES else read_message(name, more)) == message


def issued(**but: Any) -> bytes:
    body = json.loads(json_of(next(iter(MESSAGES["InvoiceIssued.v1"].values()))))
    return json.dumps(body | but).encode()


def test_a_text_outside_a_closed_set_is_reported_as_a_value_that_only_a_newer_release_knows() -> None:
    with pytest.raises(WrittenByNewerRelease, match=r"InvoiceIssued\.v1 with an unknown value of kind"):
        read_event("InvoiceIssued.v1", issued(kind="newer"))


@pytest.mark.parametrize("but", [{"kind": 1}, {"kind": None}, {"kind": "newer", "net_amount": "much"}])
def test_anything_else_that_is_wrong_with_an_event_is_not_blamed_on_a_newer_release(but: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read_event("InvoiceIssued.v1", issued(**but))


@pytest.mark.parametrize("name", WRITTEN)
def test_the_schemas_of_what_redletter_writes_are_open(name: str) -> None:
    assert all(node.get("additionalProperties", True) is not False for node in objects(schema(name)))


@pytest.mark.parametrize("name", MESSAGES)
def test_what_may_be_absent_is_optional_and_not_null(name: str) -> None:
    for node in objects(schema(name)):
        assert node.get("type") != "null"
        assert "default" not in node or node["default"] is not None


@pytest.mark.parametrize("name", COMMAND_TYPES)
def test_an_unknown_field_at_any_level_of_a_command_is_a_fault(name: str) -> None:
    for message in MESSAGES[name].values():
        body = grown(json.loads(json_of(message)))
        faults = read_body(COMMAND_TYPES[name], body, json.dumps(body).encode())
        assert isinstance(faults, Faults)
        wanted = sum("unknown" in node for node in objects(body))
        assert len([fault for fault in faults if fault.field.endswith("unknown")]) == wanted


@pytest.mark.parametrize("name", COMMAND_TYPES)
def test_the_schemas_of_commands_are_closed(name: str) -> None:
    closed = [node for node in objects(schema(name)) if "properties" in node and node.get("type") == "object"]
    assert closed
    assert all(node["additionalProperties"] is False for node in closed)


KEYWORDS = {
    *("$id", "$ref", "$defs", "type", "properties", "required", "additionalProperties", "items", "anyOf", "const"),
    *("enum", "default", "pattern", "format", "$schema", "title", "description", "examples"),
    *("minLength", "maxLength", "minItems", "maxItems", "minimum"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_schema_has_only_keywords_of_json_schema(name: str) -> None:
    def check(node: Any) -> None:
        if isinstance(node, list):
            for one in node:
                check(one)
        if isinstance(node, dict):
            assert set(node) <= KEYWORDS
            for key, value in node.items():
                for one in value.values() if key in {"properties", "$defs"} else [value]:
                    if key not in {"default", "enum", "const", "required", "examples"}:
                        check(one)

    check(schema(name))


@pytest.mark.parametrize(("name", "which"), CASES)
def test_no_null_is_published(name: str, which: str) -> None:
    assert b"null" not in json_of(MESSAGES[name][which])


def test_no_null_is_published_in_details_either() -> None:
    refused = MESSAGES["ReturnRefused.v1"]["least"]
    unknown = {"details": {"a": None, "b": [{"c": None, "d": 1}, None], "e": {"f": None}}}
    again = type(refused).model_validate(dict(refused) | unknown)
    assert json.loads(json_of(again))["details"] == {"b": [{"d": 1}], "e": {}}


def test_every_field_and_every_value_is_explained_and_a_name_means_one_thing() -> None:
    """A field is a plain reference or has words of its own: readers of older drafts drop words beside a reference."""
    known: dict[tuple[str, bool], Any] = {}
    for name in TYPES:
        document = schema(name)
        for part, of in [(document["title"], document), *document["$defs"].items()]:
            assert of["title"] == part
            assert of["description"]
            assert all(set(field) == {"$ref"} or field["description"] for field in of.get("properties", {}).values())
            if part in document["$defs"]:
                assert known.setdefault((part, name in COMMAND_TYPES), of) == of


@pytest.mark.parametrize(
    ("name", "part", "codes"),
    [
        ("CommandRefused.v1", "RefusalCode", Code),
        ("ReturnRefused.v1", "EndingCode", EndingCode),
        ("InvoiceStatus.v1", "EndingCode", EndingCode),
    ],
)
def test_the_known_codes_are_listed_and_others_may_come(name: str, part: str, codes: Any) -> None:
    code = schema(name)["$defs"][part]
    assert code["examples"] == list(get_args(codes))
    assert code["type"] == "string"
    assert "enum" not in code
