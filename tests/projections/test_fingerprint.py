"""The fingerprint of a read model changes with the code that makes its rows, and with nothing else."""

import ast
import gc
import shutil
from pathlib import Path

import pytest

from projections.catalogue import MODELS, REBUILT
from projections.engine.fingerprint import fingerprint, parse_module

HOUSE = Path(__file__).parents[2]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the code, to be changed."""
    for room in ("events", "projections", "web"):
        shutil.copytree(HOUSE / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__", "static"))
    return tmp_path


def changed_by(house: Path, file: str) -> set[str]:
    """Return the read models of events whose fingerprint a comment in a file changes."""
    before = {name: fingerprint(entry.folder, house) for name, entry in REBUILT.items()}
    with (house / file).open("a") as code:
        code.write("\n# a comment\n")
    return {name for name, entry in REBUILT.items() if fingerprint(entry.folder, house) != before[name]}


@pytest.mark.parametrize(
    "file",
    [
        "web/app.py",
        "events/topics.py",
        "events/commands.py",
        "projections/projector.py",
        "projections/publication/outbox.py",
        "projections/status/queries.py",
        "projections/engine/health.py",
        "projections/engine/projection.py",
    ],
)
def test_code_that_makes_no_rows_changes_none(house: Path, file: str) -> None:
    assert changed_by(house, file) == set()


@pytest.mark.parametrize(
    ("file", "models"),
    [
        ("projections/charges/fold.py", {"charges"}),
        ("projections/history/table.py", {"history"}),
        ("projections/details/row.py", {"details"}),
        ("projections/status/fold.py", {"status", "details", "invoices"}),
        ("projections/engine/items.py", {"charges", "forms", "returns"}),
        ("projections/engine/folding.py", set(REBUILT)),
        ("events/invoice_events.py", set(REBUILT)),
        ("events/values.py", set(REBUILT)),
        ("events/upcasting.py", set(REBUILT)),
        ("events/catalogue.py", set(REBUILT)),
    ],
)
def test_code_that_makes_rows_changes_those_that_it_makes(house: Path, file: str, models: set[str]) -> None:
    assert changed_by(house, file) == models


def test_every_read_model_has_a_folder_and_a_fingerprint_of_its_own() -> None:
    assert all((HOUSE / "projections" / entry.folder / "table.py").is_file() for entry in MODELS.values())
    assert len({entry.fingerprint for entry in MODELS.values()}) == len(MODELS)


class Forgotten:
    """Garbage that parses when it is collected, as a task does whose exception nobody saw: its traceback is logged."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        """Parse from a deeper stack."""
        deeper(30)


def deeper(frames: int) -> ast.Module:
    return deeper(frames - 1) if frames else ast.parse("1 + 1")


def test_a_module_is_parsed_whatever_waits_to_be_collected() -> None:
    source = (HOUSE / "web" / "app.py").read_bytes()
    gc.disable()
    for _ in range(1000):
        Forgotten()
    gc.enable()  # from here on, the next allocations begin a collection
    assert parse_module(source).body
    assert gc.isenabled()
