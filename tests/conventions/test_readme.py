"""The README is short, and what it shows can be run."""

import json
import re
import subprocess

import pytest

from events.catalogue import COMMAND_TYPES
from tests.conventions.support.tree import ROOT

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("line", [line for block in blocks("console") for line in block.splitlines()])
def test_every_command_in_the_readme_exists(line: str) -> None:
    program, word, *_ = line.split()
    if program == "make":
        assert re.search(rf"^{word}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    else:
        assert program == ".venv/bin/redletter"
        done = subprocess.run([ROOT / program, word, "--help"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("example", blocks("json"))
def test_every_example_in_the_readme_is_a_command(example: str) -> None:
    line = json.loads(example)
    COMMAND_TYPES[f"{line['type']}.v1"].model_validate_json(json.dumps(line["data"]))


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 110
