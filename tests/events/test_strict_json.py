"""JSON is read as commands must be written in it, and as nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.strict_json import MAX_DEPTH, parse


def nested(levels: int) -> bytes:
    """Return so many arrays and objects within each other."""
    return b'{"a":[' * (levels // 2) + b"[]" * (levels % 2) + b"]}" * (levels // 2)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (b"", "is not JSON"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
        ("{}".encode("utf-16"), "is not JSON"),
        (b'"\xff"', "is not JSON"),
        (b'"\\ud800"', "is not JSON"),
        (b'"\\ude00\\ud83d"', "is not JSON"),
        (b'"\n"', "is not JSON"),
        (b"{} {}", "is not JSON"),
        (b"[1,]", "is not JSON"),
        (b"NaN", "is not JSON"),
        (b"[-Infinity]", "is not JSON"),
        (b"1" * 5000, "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"a":1,"b":2,"a":1}', 'repeats the member name "a"'),
        (b'[{"b":{"\\u0061":1,"a":2}}]', 'repeats the member name "a"'),
        (b'{"":1,"":2}', 'repeats the member name ""'),
        (nested(MAX_DEPTH + 1), "is nested deeper than 64"),
        (b'[[],"' + b"[" * 100 + b'",' + nested(MAX_DEPTH) + b"]", "is nested deeper than 64"),
    ],
)
def test_what_other_parsers_might_read_in_another_way_is_refused(text: bytes, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        nested(MAX_DEPTH),
        b"[" + b",".join([b"[[]]"] * 1000) + b"]",
        b'{"a":{"a":[{"a":1},{"a":1}]}}',
        b'{"a":1,"A":2,"a ":3}',
        b'"\\ud83d\\ude00 \\u0000 {{{{ \\" [[[["',
        b"[0,-0,-0.0,1e0,1E-400,1.7976931348623157e308]",
        b" \t\r\n true \n",
    ],
)
def test_everything_else_is_read(text: bytes) -> None:
    assert parse(text) == json.loads(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    )
)
def test_any_json_value_is_read_as_it_was_written(value: object) -> None:
    assert parse(json.dumps(value).encode()) == value
