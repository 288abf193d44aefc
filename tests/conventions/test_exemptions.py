"""Whatever silences a check says why, beside it."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.conventions.support.tree import ROOT, tracked

SILENCES = re.compile(r"#\s*(noqa|type: ?ignore|pyright: ?(ignore|basic|report))")
GIVES_A_REASON = re.compile(r"(noqa: [A-Z]+\d+(, [A-Z]+\d+)*|ignore\[[\w, -]+\]) - \w")
RULE = re.compile(r"^ *\"[A-Z]+\d+\",|= \[\"[A-Z]+\d+\"\]")
"""A rule of the linter that pyproject.toml leaves out."""


def test_a_comment_that_silences_a_check_says_why() -> None:
    """Of a whole file no check is silenced: such a comment has no place for a reason, and outlives what it was for."""
    silent = [
        f"{path.relative_to(ROOT)}:{line}: {comment}"
        for path in tracked()
        if path.suffix == ".py"
        for line, comment in comments(path)
        if SILENCES.search(comment) and not GIVES_A_REASON.search(comment)
    ]
    assert silent == []


def comments(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the comments of a module, each with its line."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def test_a_rule_that_is_left_out_says_why() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    rules = [line for line in lines if RULE.search(line)]
    assert rules
    assert [line for line in rules if not re.search(r"# \w", line)] == []
