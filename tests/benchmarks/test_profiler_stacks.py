"""Where the time went follows from the stacks that the profiler saw."""

from benchmarks.profiler_stacks import own_time, read_stacks, total_time

RAW = """\
main (redletter/roles.py);decide (service/deciding.py);dumps (json/encoder.py) 3
main (redletter/roles.py);decide (service/deciding.py);evolve (service/evolve.py) 4
main (redletter/roles.py);decide (service/deciding.py) 1
bootstrap (threading.py);run (aiokafka/consumer.py) 2
main (redletter/roles.py);_find_and_load (<frozen importlib._bootstrap>) 50
main (redletter/roles.py);EpollSelector.select (selectors.py) 60
"""
STACKS = read_stacks(RAW.splitlines())
ROOMS = ("service",)


def test_a_library_counts_for_the_function_that_called_it() -> None:
    assert own_time(STACKS, ROOMS) == {
        "decide (service/deciding.py)": 4,
        "evolve (service/evolve.py)": 4,
        "bootstrap (threading.py)": 2,
    }


def test_a_function_has_the_time_of_all_that_it_called() -> None:
    assert total_time(STACKS, ROOMS) == {"decide (service/deciding.py)": 8, "evolve (service/evolve.py)": 4}


def test_the_start_of_a_role_and_waiting_are_not_counted() -> None:
    assert sum(STACKS.values()) == 10
