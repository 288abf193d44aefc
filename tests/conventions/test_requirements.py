"""Every sentence of the seed has a test that shows it."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
TRACE = (ROOT / "docs" / "requirements.md").read_text()
SENTENCES = 33
"""Statements in the seed, headings and interface labels left out."""


class Sentence(NamedTuple):
    """A row of the table."""

    number: int
    said: str
    tests: list[str]


def rows() -> list[Sentence]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in TRACE.splitlines() if line[:1] == "|"]
    return [Sentence(int(cell[0]), cell[2], re.findall(r"`([^`]+)`", cell[3])) for cell in cells[2:]]


@cache
def names_in(file: str) -> frozenset[str]:
    return frozenset(re.findall(r"^(?:async )?def (test_\w+)", (ROOT / file).read_text(), re.MULTILINE))


def test_the_trace_goes_through_the_whole_seed() -> None:
    assert [row.number for row in rows()] == list(range(1, SENTENCES + 1))


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.number}: {row.said}")
def test_each_sentence_is_shown_by_tests_that_are_there(row: Sentence) -> None:
    assert row.tests
    for test in row.tests:
        file, _, name = test.partition("::")
        assert name in names_in(file)
