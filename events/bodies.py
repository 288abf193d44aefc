"""Bodies of commands: read whole, or every fault named."""

from typing import TypeVar

from pydantic import JsonValue, ValidationError

from events.cloudevents import Fault, faults_of
from events.commands import Command

AnyKind = TypeVar("AnyKind", bound=Command)


def read(kind: type[AnyKind], value: JsonValue, text: bytes) -> AnyKind | list[Fault]:
    """Read a body as a command, or say everything that is wrong with it. text: the same value as canonical JSON."""
    faults = _with_nul(value) if rb"\u0000" in text else []
    try:
        command = kind.model_validate_json(text)
    except ValidationError as error:
        return faults + faults_of([{**one} for one in error.errors(include_url=False, include_input=False)])
    return faults or command


def _with_nul(value: JsonValue, path: str = "") -> list[Fault]:
    """Name every string, and every field name, that holds U+0000: no text in the store can."""
    here = [Fault(path or "data", "must not hold U+0000")]
    match value:
        case str():
            return here if "\0" in value else []
        case list():
            return [fault for index, item in enumerate(value) for fault in _with_nul(item, _join(path, str(index)))]
        case dict():
            named_so = here if any("\0" in name for name in value) else []
            return named_so + [fault for name, item in value.items() for fault in _with_nul(item, _join(path, name))]
        case _:
            return []


def _join(path: str, step: str) -> str:
    return f"{path}.{step}" if path else step
