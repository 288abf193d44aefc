import pytest

from tests.faults.points.catalogue import POINTS, Point


@pytest.mark.parametrize("point", POINTS.values(), ids=str)
def test_a_crash_point_stands_at_a_function_that_is_there(point: Point) -> None:
    assert callable(point.resolve())


def test_there_are_crash_points_enough_in_every_role() -> None:
    assert len(POINTS) >= 100
    write_side = {"worker", "parking", "release", "relay", "clock"}
    read_side = {"projector", "read model parking", "read model release", "rebuild"}
    assert {point.role for point in POINTS.values()} == write_side | read_side
