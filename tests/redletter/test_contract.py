"""The published contract is printed for generators, without any server."""

import json
from pathlib import Path

from events.schemas import TYPES
from tests.events.support.approving import ASYNCAPI, SCHEMAS
from tests.redletter.support.program import redletter


def test_the_topics_are_printed_as_they_are_on_file() -> None:
    assert json.loads(redletter("asyncapi").stdout) == json.loads(ASYNCAPI.read_text())


def test_every_schema_is_printed_on_a_line() -> None:
    lines = redletter("schemas").stdout.splitlines()
    assert [json.loads(line)["title"] for line in lines] == [kind.__name__ for kind in TYPES.values()]


def test_every_schema_is_written_to_a_file_as_it_is_approved(tmp_path: Path) -> None:
    assert redletter("schemas", str(tmp_path / "made")).returncode == 0
    files = {path.name: path.read_text() for path in (tmp_path / "made").iterdir()}
    assert files == {path.name: path.read_text() for path in SCHEMAS.iterdir()}


def test_a_folder_that_cannot_be_written_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = redletter("schemas", str(tmp_path / "file"))
    assert answer.returncode == 1
    assert answer.stderr.startswith("redletter: cannot write to ")
    assert len(answer.stderr.splitlines()) == 1
