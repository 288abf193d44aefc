"""What is said of the runs follows from them."""

import pytest

from benchmarks import summary
from benchmarks.stopwatch import Measurement
from benchmarks.workload import STEPS, waves
from events.catalogue import COMMAND_TYPES
from service.worker.reading import Received
from tests.service.support.records import as_read, raw


def run(rate: float, *, visible: float = 0.0, **cpu_us: float) -> Measurement:
    measured = Measurement(1000, 1000 / rate, 1000 / visible if visible else 0.0)
    measured.cpu_seconds.update({name: us * 1000 / 1e6 for name, us in cpu_us.items()})
    return measured


RUNS = {
    "naive": [run(100.0, worker=3000.0), run(90.0, worker=3000.0), run(120.0, worker=3000.0)],
    "streams": [run(2000.0, worker=80.0, kafka=20.0)],
    "redletter": [run(1500.0, relay=50.0, worker=120.0), run(1300.0, relay=40.0, worker=110.0)],
    "visible": [run(1400.0, visible=700.0, kafka=60.0, clock=20.0), run(1400.0, visible=900.0, kafka=40.0, clock=30.0)],
    "raw": [run(2800.0), run(2800.0)],
}


def test_redletter_is_compared_with_the_programs_of_its_run_by_medians() -> None:
    assert list(summary.verdicts(RUNS)) == [
        "14.0 times the documented service (wanted 12 or more)",
        "0.70 of Kafka Streams (wanted 0.7 or more), at 1.6 times its CPU a command",
        "0.50 of the raw pipe (wanted 0.5 or more)",
    ]
    assert list(summary.verdicts({"visible": RUNS["visible"]})) == []


def test_a_row_has_the_rates_and_the_cpu_of_each_process_and_of_all() -> None:
    *_, visible, _ = summary.rows(RUNS)
    assert dict(zip(summary.COLUMNS, visible, strict=True)) == {
        "program": "redletter: all roles",
        "published/s": "1,400 (1,400-1,400)",
        "visible/s": "800 (700-900)",
        "worker us": "",
        "relay us": "",
        "projector us": "",
        "clock us": "25",
        "postgres us": "",
        "kafka us": "50",
        "sum us": "75 (70-80)",
    }


def test_the_figures_of_the_whole_system_are_kept_run_by_run() -> None:
    figures = summary.whole_figures(RUNS["visible"])
    assert figures["visible"] == pytest.approx([700.0, 900.0])
    assert figures["cpu_us"] == {"clock": pytest.approx([20.0, 30.0]), "kafka": pytest.approx([60.0, 40.0])}


def test_one_run_is_said_in_a_line_with_the_processes_in_the_order_of_the_flow() -> None:
    line = summary.line_of("visible", RUNS["visible"][0])
    assert line.endswith(
        "1,400 commands/s, 700 visible in every read model; CPU us a command: clock 20, kafka 60, sum 80"
    )


def test_the_spread_is_the_width_as_a_share_of_the_median() -> None:
    assert summary.spread([100.0, 90.0, 120.0]) == pytest.approx(0.3)


def test_one_run_has_no_range() -> None:
    assert summary.milliseconds([0.0021]) == "2.1"
    assert summary.median_and_range([1234.5]) == "1,234"


def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert (summary.percentile(values, 50), summary.percentile(values, 99), summary.percentile(values, 100)) == (
        50.0,
        99.0,
        100.0,
    )
    assert summary.percentile([7.0], 99) == 7.0


def test_seconds_are_shown_as_milliseconds_with_the_lowest_and_the_highest() -> None:
    assert summary.milliseconds([0.003, 0.001, 0.0021]) == "2.1 (1.0-3.0)"


def test_every_command_of_the_load_is_readable_and_has_an_id_of_its_own() -> None:
    sent = [message for wave in waves(range(3)) for message in wave]
    read_ = [as_read(raw(m.value, tuple(m.headers), key=m.key, topic=m.topic)) for m in sent]
    assert all(isinstance(one, Received) for one in read_)
    assert len({one.id for one in read_ if isinstance(one, Received)}) == 3 * len(STEPS)
    assert set(STEPS) <= set(COMMAND_TYPES)
