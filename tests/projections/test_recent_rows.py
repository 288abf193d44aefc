"""Rows are remembered as long as nobody else can have written, and as long as there is room."""

from collections.abc import Sequence

import pytest

from projections.engine import recent_rows
from projections.engine.recent_rows import RecentRows
from transport.positions import Move

TABLE, OTHER_TABLE = 1, 2


def move(was: int, next_: int, partition: int = 0) -> Sequence[Move]:
    return [Move("invoice.events", partition, was, next_)]


def written(rows: RecentRows, numbers: Sequence[str], moves: Sequence[Move], size: int = 1) -> None:
    """Let a batch write rows, as a projection does."""
    rows.among("status", numbers, moves, TABLE)
    rows.keep("status", dict.fromkeys(numbers, "row"), moves)
    rows.trim(dict.fromkeys(numbers, size))


@pytest.fixture
def rows() -> RecentRows:
    return RecentRows(["status", "details"])


def test_what_a_batch_wrote_is_remembered_for_the_one_that_follows_it(rows: RecentRows) -> None:
    written(rows, ["1", "2"], move(0, 5))
    assert rows.among("status", ["2", "3"], move(5, 6), TABLE) == {"2": "row"}
    assert rows.among("details", ["2"], move(5, 6), TABLE) == {}


@pytest.mark.parametrize("was", [4, 6])
def test_a_position_that_somebody_else_has_moved_forgets_all_rows_of_the_read_model(rows: RecentRows, was: int) -> None:
    written(rows, ["1"], move(0, 5))
    written(rows, ["2"], move(0, 3, partition=1))
    assert rows.among("status", ["1"], move(was, 7), TABLE) == {}
    assert rows.among("status", ["2"], move(3, 4, partition=1), TABLE) == {}


def test_a_partition_that_is_new_here_forgets_all_rows_since_keys_may_have_moved_to_it(rows: RecentRows) -> None:
    written(rows, ["1"], move(0, 5))
    assert rows.among("status", ["1"], move(0, 1, partition=1), TABLE) == {}


def test_partitions_that_come_by_turns_are_remembered_side_by_side(rows: RecentRows) -> None:
    for at in range(2):
        written(rows, ["1"], move(at, at + 1))
        written(rows, ["2"], move(at, at + 1, partition=1))
    assert rows.among("status", ["1"], move(2, 3), TABLE) == {"1": "row"}
    assert rows.among("status", ["2"], move(2, 3, partition=1), TABLE) == {"2": "row"}


def test_rows_that_are_forgotten_take_no_room(rows: RecentRows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_rows, "MAX_RECENT_ROW_BYTES", 10)
    written(rows, ["1"], move(0, 1), size=10)
    written(rows, ["2"], move(5, 6), size=10)
    assert rows.among("status", ["2"], move(6, 7), TABLE) == {"2": "row"}
    written(rows, ["3"], move(9, 10), size=1)
    written(rows, ["4"], move(10, 11), size=9)
    assert list(rows.among("status", ["3", "4"], move(11, 12), TABLE)) == ["3", "4"]


def test_a_table_that_has_been_replaced_forgets_all_rows(rows: RecentRows) -> None:
    written(rows, ["1"], move(0, 5))
    assert rows.among("status", ["1"], move(5, 6), OTHER_TABLE) == {}


def test_nothing_is_remembered_after_a_failure(rows: RecentRows) -> None:
    written(rows, ["1"], move(0, 5))
    rows.forget()
    assert rows.among("status", ["1"], move(5, 6), TABLE) == {}


def test_of_too_many_rows_those_that_were_written_last_stay(rows: RecentRows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_rows, "MAX_RECENT_ROW_BYTES", 30)
    written(rows, ["1", "2", "3"], move(0, 3), size=10)
    written(rows, ["1"], move(3, 4), size=5)
    written(rows, ["4"], move(4, 5), size=2)
    assert list(rows.among("status", ["1", "2", "3", "4"], move(5, 6), TABLE)) == ["1", "3", "4"]
