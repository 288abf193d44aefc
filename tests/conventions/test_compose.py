"""The compose file runs every role, on the images that are tested."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conventions.support.tree import ROOT, tracked
from tests.support import servers

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
ROLES = ("worker", "relay", "projector", "clock", "api", "tax-simulator")


def test_the_compose_file_has_every_role_and_keeps_its_ports_to_this_machine() -> None:
    services = COMPOSE["services"]
    assert {"kafka", "postgres", "migrate", "prometheus", *ROLES} == set(services)
    for role in ROLES:
        assert services[role]["command"] == [role]
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    for service in services.values():
        assert {"restart", "cpus", "mem_limit"} <= set(service)
        assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert {name for name, service in services.items() if "cap_add" in service} == {"postgres"}


@pytest.mark.parametrize(
    ("profile", "started"),
    [
        ("default", {"kafka", "postgres", "migrate", *ROLES} - {"tax-simulator"}),
        ("simulator", {"kafka", "postgres", "migrate", *ROLES}),
        ("dev", {"kafka", "postgres"}),
        ("observability", {"kafka", "postgres", "prometheus"}),
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
