"""The library `redletter-events` in an environment of its own, next to a neighbour that has an `events` too."""

import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from events.schemas import TYPES
from library import public

LIBRARY = Path(public.__file__).parent
NEIGHBOUR = "opensearch-py==2.8.0"
"""Depends on the distribution `Events`, which installs a module `events`."""
CLIENTS = """
from types import SimpleNamespace as Record

STATUS = b'{"invoice_number": "1"}'
TYPE = "redletter.invoice.CreditNoteIssued.v1"
BODY = open(EXAMPLE, "rb").read()
HEADERS = [("ce_id", b"1"), ("ce_source", b"urn:x"), ("ce_type", TYPE.encode()), ("ce_invoiceversion", b"5")]
consumer = [Record(headers=HEADERS, value=BODY), Record(headers=[*HEADERS[:2], ("ce_type", b"new")], value=b"")]
producer = Record(send=lambda **record: print(sorted(record)))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the library and its neighbour as another team would, and return that team's Python."""
    built, home = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("home")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(built)]
    subprocess.run(build, cwd=LIBRARY, capture_output=True, check=True)
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "--quiet",
        "--disable-pip-version-check",
        "install",
        "--no-compile",
    ]
    subprocess.run([*pip, *map(str, built.glob("*.whl")), NEIGHBOUR], check=True, timeout=120)
    return python


def printed(python: Path, code: str) -> list[str]:
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_neighbour_keeps_its_own_module_and_the_library_brings_pydantic_alone(python: Path) -> None:
    code = """
import events, redletter_events, opensearchpy
from importlib.metadata import requires
from importlib.util import find_spec
print(events.Events.__module__, *requires("redletter-events"))
print(find_spec("redletter_events.opening").name)
"""
    needed = "events.events pydantic<3,>=2.12 cryptography>=45; extra == 'opening'"
    assert printed(python, code) == [needed, "redletter_events.opening"]


def test_the_programs_of_its_page_run(python: Path) -> None:
    example = LIBRARY.parent / "events" / "examples" / "CreditNoteIssued.v1.least.json"
    programs = re.findall(r"```python\n(.*?)```", (LIBRARY / "README.md").read_text(), re.DOTALL)
    assert printed(python, "\n".join([f"EXAMPLE = {str(example)!r}", CLIENTS, *programs])) == [
        "26312000000000000001 is reversed by -100.00 version 5",
        "['headers', 'key', 'topic', 'value']",
    ]


def parts(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield a class of messages, and those of the objects within it."""
    yield kind
    for field in kind.model_fields.values():
        for inner in _classes(field.annotation):
            yield from parts(inner)


def _classes(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _classes(inner)


def test_it_offers_every_message_and_every_object_within_one() -> None:
    wanted = {part.__name__ for kind in TYPES.values() for part in parts(kind)}
    assert wanted - set(public.__all__) == set()
