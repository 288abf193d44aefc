"""What is said of the runs follows from them."""

import pytest

from benchmarks.summary import milliseconds, percentile, ratios, spread, verdict
from benchmarks.workload import STEPS, waves
from events.catalogue import COMMAND_TYPES
from service.worker.reading import Received
from tests.service.support.records import as_read, raw

RUNS = {"naive": [100.0, 90.0, 120.0], "redletter": [1500.0, 1300.0, 1400.0], "raw": [2000.0, 3000.0, 2800.0]}


def test_programs_are_compared_by_their_medians() -> None:
    assert ratios(RUNS) == (14.0, 0.5)
    assert "b/a 14.0" in verdict(RUNS)


def test_the_spread_is_the_width_as_a_share_of_the_median() -> None:
    assert spread(RUNS["naive"]) == pytest.approx(0.3)


def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (50.0, 99.0, 100.0)
    assert percentile([7.0], 99) == 7.0


def test_seconds_are_shown_as_milliseconds_with_the_lowest_and_the_highest() -> None:
    assert milliseconds([0.003, 0.001, 0.0021]) == "2.1 (1.0-3.0)"


def test_every_command_of_the_load_is_readable_and_has_an_id_of_its_own() -> None:
    sent = [message for wave in waves(range(3)) for message in wave]
    read_ = [as_read(raw(m.value, tuple(m.headers), key=m.key, topic=m.topic)) for m in sent]
    assert all(isinstance(one, Received) for one in read_)
    assert len({one.id for one in read_ if isinstance(one, Received)}) == 3 * len(STEPS)
    assert set(STEPS) <= set(COMMAND_TYPES)
