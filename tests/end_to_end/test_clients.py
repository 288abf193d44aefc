"""The example clients of all languages come to one outcome. CI runs them all, others those whose programs they have."""

import asyncio
import os
from pathlib import Path

import pytest

from scripts import clients
from tests.conventions.support.tree import tracked
from tests.end_to_end.support.system import system
from transport.addresses import Addresses

COMPILED = ("java", "go")
"""What the others need, the checkout has already."""
SOURCES = {".py", ".js", ".java", ".go"}
"""Endings of files of code."""


async def test_every_example_client_plays_the_scenario_to_the_same_outcome(
    addresses: Addresses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = clients.environment_of_clients(addresses.kafka, tmp_path)
    chosen = [client for client in clients.CLIENTS if os.environ.get("CI") or not client.missing()]

    monkeypatch.setenv("GOFLAGS", "-p=1")  # leaves a processor to other tests
    for client in chosen:
        if client.folder in COMPILED:
            await asyncio.to_thread(client.build)
    async with system(addresses, tmp_path, "worker", "relay", "projector", "clock", "api", "tax-simulator"):
        plays = [asyncio.to_thread(client.play, environment, tmp_path) for client in chosen]
        ended = await asyncio.gather(*plays, return_exceptions=True)
    assert [failure for failure in ended if failure] == []


def test_the_page_of_the_examples_shows_what_each_prints_and_leaves_none_out() -> None:
    page = (clients.EXAMPLES / "README.md").read_text()
    assert f"```text\n{clients.OUTCOME.read_text()}```" in page
    assert [client.folder for client in clients.CLIENTS if f"| [{client.folder}](" not in page] == []


def test_every_example_is_short_enough_to_be_read() -> None:
    folders = {client.folder for client in clients.CLIENTS}
    sources = [path for path in tracked() if path.is_relative_to(clients.EXAMPLES) and path.suffix in SOURCES]
    assert {path.relative_to(clients.EXAMPLES).parts[0] for path in sources} == folders
    assert [path for path in sources if len(path.read_text().splitlines()) > 100] == []
