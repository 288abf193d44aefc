"""JSON Schemas of the messages: those of commands closed, those of what Redletter writes open and without null."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

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

_TYPES: dict[str, type[BaseModel]] = {
    **COMMAND_TYPES,
    **EVENT_TYPES,
    **REPLY_TYPES,
    **NOTICE_TYPES,
    **TAX_REQUEST_TYPES,
    **STATUS_TYPES,
}


class Closed(GenerateJsonSchema):
    """For commands: an unknown field makes one malformed, at whatever depth."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Close the object."""
        return super().model_schema(schema) | {"additionalProperties": False}


class Open(GenerateJsonSchema):
    """For what Redletter writes: fields may come, and what is absent is left out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Leave null out: it is read, and never written."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave the default null out too."""
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def of(kind: type[BaseModel], *, ref_template: str = "#/$defs/{model}") -> dict[str, Any]:
    """Return the schema of a message class, or of another part of an answer."""
    how = Closed if issubclass(kind, Command) else Open
    return kind.model_json_schema(by_alias=True, schema_generator=how, ref_template=ref_template)


def schema(name: str) -> dict[str, Any]:
    """Return the schema of a message by its stored name, with its id. Raises: KeyError."""
    return of(_TYPES[name]) | {"$id": schema_of(name)}
