"""JSON Schemas of the messages: those of commands closed, those of what Redletter writes open.

Each stands alone and reads well in code that is generated from it: every part and every kind of value has a name of
its own in ``$defs``, what may be absent is optional and never null, and the examples are the bytes of the tests.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, JsonValue
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema, from_json

from events.catalogue import (
    COMMAND_TYPES,
    EVENT_TYPES,
    NOTICE_TYPES,
    REPLY_TYPES,
    STATUS_TYPES,
    TAX_REQUEST_TYPES,
    schema_of,
)
from events.commands import Command
from events.values import Message

TYPES: Mapping[str, type[Message]] = {
    **COMMAND_TYPES,
    **EVENT_TYPES,
    **REPLY_TYPES,
    **NOTICE_TYPES,
    **TAX_REQUEST_TYPES,
    **STATUS_TYPES,
}
"""Every message by its stored name."""
EXAMPLES = Path(__file__).with_name("examples")
"""Bodies as they are published, byte for byte: ``RequestReturn.v1.full.json`` has every field, ``least`` the fewest."""


class Open(GenerateJsonSchema):
    """For what Redletter writes: fields may come."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """Leave the titles to what has a name of its own."""
        del schema
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Leave null out: it is read as absence, and never written."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave the default null out too."""
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


class Closed(Open):
    """For commands: an unknown field makes one malformed, at whatever depth."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Close the object."""
        return super().model_schema(schema) | {"additionalProperties": False}


def of(kind: type[BaseModel], *, ref_template: str = "#/$defs/{model}") -> dict[str, Any]:
    """Return the schema of a message class, or of another part of an answer."""
    how = Closed if issubclass(kind, Command) else Open
    found = kind.model_json_schema(by_alias=True, schema_generator=how, ref_template=ref_template)
    named: dict[str, Any] = {}
    for part in (*found.get("$defs", {}).values(), found):
        _name_values(part, named, ref_template)
    return found | {"$defs": dict(sorted({**found.get("$defs", {}), **named}.items()))}


def _name_values(node: dict[str, Any], named: dict[str, Any], ref_template: str) -> None:
    """Let everything within that has a title be referred to by it."""
    if "properties" in node:
        node["properties"] = {name: _referred(value, named, ref_template) for name, value in node["properties"].items()}
    if "items" in node:
        node["items"] = _referred(node["items"], named, ref_template)


def _referred(value: dict[str, Any], named: dict[str, Any], ref_template: str) -> dict[str, Any]:
    if title := value.get("title"):
        named[title] = value
        return {"$ref": ref_template.format(model=title)}
    _name_values(value, named, ref_template)
    return value


def schema(name: str) -> dict[str, Any]:
    """Return the schema of a message by its stored name, with its id and its examples. Raises: KeyError."""
    kind = TYPES[name]
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": schema_of(name),
        "title": kind.__name__,
        **of(kind),
        "examples": [*examples(name).values()],
    }


def examples(name: str) -> dict[str, JsonValue]:
    """Return the bodies that a message is shown with, by what each has: ``full`` or ``least`` of its fields."""
    return {
        path.name.removeprefix(f"{name}.").removesuffix(".json"): from_json(path.read_bytes())
        for path in sorted(EXAMPLES.glob(f"{name}.*.json"))
    }
