"""Bodies of commands: read whole, or every fault named."""

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar, cast

from pydantic import JsonValue, ValidationError
from pydantic_core import to_json

from events.commands import MOST_CHARGES, Command
from events.faults import MAX_FAULTS, MAX_FIELD_CHARACTERS, Fault, Faults, cut

AnyKind = TypeVar("AnyKind", bound=Command)


def read_body(kind: type[AnyKind], value: JsonValue, text: bytes) -> AnyKind | Faults:
    """Read a body as a command, or say what is wrong with it. text: the same value as JSON.

    Time and memory are linear in the text, and what is said is bounded, whatever is wrong.
    """
    nuls = _with_nul(value) if rb"\u0000" in text else None
    long = _long_lists(value) if len(text) > 2 * MOST_CHARGES else None  # an item has a byte, and a comma
    faults = Faults()
    if nuls:
        faults.add_all(Fault(path or "data", "must not hold U+0000") for path in nuls)
    if long:
        faults.add_all(Fault(name, f"must have at most {MOST_CHARGES} items") for name in long)
        text = to_json({**cast("dict[str, JsonValue]", value), **long})
    try:
        command = kind.model_validate_json(text, extra="forbid")
    except ValidationError as error:
        faults.join(_of(error))
        return faults
    return faults or command


def _long_lists(value: JsonValue) -> dict[str, JsonValue]:
    """Return the beginning of every list that is too long: a fault in each item is not looked for."""
    fields = value.items() if isinstance(value, dict) else ()
    return {name: item[:MOST_CHARGES] for name, item in fields if isinstance(item, list) and len(item) > MOST_CHARGES}


def _of(error: ValidationError) -> Faults:
    """Return pydantic's errors as faults, with the path into the body as the field."""
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    return Faults.counted(
        error.error_count(),
        (Fault(".".join(map(str, one["loc"])) or "data", one["msg"]) for one in islice(errors, MAX_FAULTS)),
    )


def _with_nul(value: JsonValue, path: str = "") -> Iterator[str]:
    """Name every string, and every object with a field name, that holds U+0000: no text in the store can.

    Paths are cut on the way, so that a long name costs its length once and not once for each string below it.
    """
    match value:
        case str():
            if "\0" in value:
                yield path
        case list():
            for index, item in enumerate(value):
                yield from _with_nul(item, _join(path, str(index)))
        case dict():
            if any("\0" in name for name in value):
                yield path
            for name, item in value.items():
                yield from _with_nul(item, _join(path, name))
        case _:
            return


def _join(path: str, step: str) -> str:
    return cut(f"{path}.{step}" if path else step, MAX_FIELD_CHARACTERS)
