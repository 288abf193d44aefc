"""JSON as commands are written in it: UTF-8, every member once, and bounded depth."""

import re
from typing import cast

from jiter import from_json
from pydantic import JsonValue

MAX_DEPTH = 64
"""Arrays and objects within each other."""
_REPEATED = re.compile(r'Detected duplicate key (".*") at line \d+ column \d+', re.DOTALL)


def parse(text: bytes, deepest: int = MAX_DEPTH) -> JsonValue:
    """Parse JSON strictly.

    A number that is too large for a float is infinite; `events.values.FreeObject` refuses it. Raises: ValueError, which
    says what is wrong, for anything but JSON in UTF-8 with well-formed characters, for a repeated member name, and for
    nesting deeper than ``deepest``.
    """
    try:
        value = cast("JsonValue", from_json(text, allow_inf_nan=False, catch_duplicate_keys=True))
    except ValueError as error:
        repeated = _REPEATED.fullmatch(str(error))
        msg = f"repeats the member name {repeated[1]}" if repeated else f"is not JSON: {error}"
        raise ValueError(msg) from None
    if text.count(b"[") + text.count(b"{") > deepest and _is_deeper(value, deepest):
        msg = f"is nested deeper than {deepest}"
        raise ValueError(msg)
    return value


def _is_deeper(value: JsonValue, deepest: int) -> bool:
    level = [value]
    for _ in range(deepest):
        level = [inner for outer in level for inner in _inside(outer)]
    return any(isinstance(inner, list | dict) for inner in level)


def _inside(value: JsonValue) -> list[JsonValue]:
    match value:
        case list():
            return value
        case dict():
            return list(value.values())
        case _:
            return []
