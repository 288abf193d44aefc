"""The wheel adds one top-level name to an environment, and holds everything that the program needs."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.conventions.support.tree import ROOT, tracked

ROOMS = ("events", "rules", "transport", "service", "projections", "web", "local", "tax_simulator")
PROGRAM = """
import multiprocessing, sys
from redletter.__main__ import main

sys.argv = ["redletter", "--help"]
try:
    main()
except SystemExit as end:
    assert end.code == 0
import events, local
with multiprocessing.get_context("spawn").Pool(1) as child:
    print(events.__file__, local.__file__, child.apply(eval, ("__import__('events').__file__",)), sep="\\n")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel beside a neighbour that has an `events` too."""
    built, site = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(built)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = built.glob("*.whl")
    with ZipFile(wheel) as files:
        files.extractall(site)
    (site / "events.py").write_text("neighbour = True\n")
    return site


def run(site: Path, code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_redletter_is_the_only_name_that_it_adds(site: Path) -> None:
    names = {path.name for path in site.iterdir()} - {"events.py", "__pycache__"}
    assert {name for name in names if not name.endswith(".dist-info")} == {"redletter"}


def test_every_room_of_the_tree_is_in_it() -> None:
    """A new room is given its place here, in pyproject.toml and in .dockerignore."""
    packages = {path.relative_to(ROOT).parts[0] for path in tracked() if path.name == "__init__.py"}
    assert packages == {*ROOMS, "redletter", "tests", "benchmarks", "scripts"}


def test_it_holds_every_file_of_every_room(site: Path) -> None:
    """Templates, translations, migrations and checksums too."""
    rooms = [path.relative_to(ROOT) for path in tracked() if path.relative_to(ROOT).parts[0] in ROOMS]
    assert [path for path in rooms if not (site / "redletter" / "_rooms" / path).is_file()] == []


def test_the_image_is_built_from_every_room() -> None:
    """What .dockerignore does not let in is missing in the image's wheel."""
    let_in = (ROOT / ".dockerignore").read_text().splitlines()
    assert [room for room in (*ROOMS, "redletter") if f"!{room}" not in let_in] == []


def test_a_neighbour_keeps_its_own_module(site: Path) -> None:
    assert run(site, "import redletter, events; print(events.neighbour)") == ["True"]


def test_the_program_and_its_children_find_its_rooms(site: Path) -> None:
    rooms = site / "redletter" / "_rooms"
    assert [Path(file).parent.parent for file in run(site, PROGRAM)[-3:]] == [rooms] * 3
