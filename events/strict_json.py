"""JSON as commands are written in it: UTF-8, every member once, finite numbers, and bounded depth."""

import json
from collections import Counter
from math import isinf
from typing import Any, cast

from pydantic import JsonValue
from pydantic_core import from_json

MAX_DEPTH = 64
"""Arrays and objects within each other."""


def parse(text: bytes, deepest: int = MAX_DEPTH) -> JsonValue:
    """Parse JSON strictly.

    Raises: ValueError, which says what is wrong, for anything but JSON in UTF-8 with well-formed characters, for a
    repeated member name, a number that is not finite, and nesting deeper than ``deepest``.
    """
    try:
        value = cast("JsonValue", from_json(text, allow_inf_nan=False))
    except ValueError as error:
        msg = f"is not JSON: {error}"
        raise ValueError(msg) from None
    _EVERY_MEMBER_ONCE.decode(text.decode())
    if text.count(b"[") + text.count(b"{") > deepest and _is_deeper(value, deepest):
        msg = f"is nested deeper than {deepest}"
        raise ValueError(msg)
    return value


def _once(members: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in members]
    if len(set(names)) < len(names):
        (repeated, _), *_ = Counter(names).most_common(1)
        msg = f"repeats the member name {json.dumps(repeated, ensure_ascii=False)}"
        raise ValueError(msg)


def _finite(number: str) -> None:
    if isinf(float(number)):
        msg = "has a number that is not finite"
        raise ValueError(msg)


_EVERY_MEMBER_ONCE = json.JSONDecoder(object_pairs_hook=_once, parse_float=_finite)
"""Checks what pydantic's parser silently accepts: of a repeated member it keeps the last. It parses the text again, at
about the price of writing it once; what it returns is of no use."""


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
