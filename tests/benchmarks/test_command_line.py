"""What is given on a command line is read, or refused with a sentence."""

import shutil
from argparse import ArgumentTypeError
from types import SimpleNamespace

import pytest

from benchmarks import at_scale, throughput
from benchmarks.command_line import positive_number, positive_numbers, some_of


def test_names_come_in_the_order_of_what_there_is() -> None:
    assert some_of(["naive", "redletter", "raw"])("raw,naive") == ["naive", "raw"]


def test_a_name_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ArgumentTypeError, match="there is no rraw: choose of naive, raw"):
        some_of(["naive", "raw"])("rraw,naive")


@pytest.mark.parametrize("given", ["0", "-1", "many", ""])
def test_a_number_is_one_or_more(given: str) -> None:
    with pytest.raises(ArgumentTypeError, match="1 or more"):
        positive_number(given)


def test_large_numbers_may_have_underscores() -> None:
    assert positive_numbers("100_000,20") == [100_000, 20]


def test_the_raw_pipe_needs_a_run_to_write_what_it_wrote(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["throughput", "--programs", "raw"])
    with pytest.raises(SystemExit):
        throughput.main()
    assert "name redletter, too" in capsys.readouterr().err


def test_a_disk_that_is_too_small_is_noticed_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_usage(_: str) -> SimpleNamespace:
        return SimpleNamespace(free=49e9)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    monkeypatch.setattr("sys.argv", ["at_scale"])
    with pytest.raises(SystemExit, match=r"this needs 60.0 GB in .*, and 49.0 GB are free: choose smaller"):
        at_scale.main()
