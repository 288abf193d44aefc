"""The example clients, in Python and JavaScript, come to the same end; `make clients` runs those in Java and Go too."""

import asyncio
from pathlib import Path

from scripts import clients
from tests.whole.support.system import system
from transport.addresses import Addresses

LANGUAGES = ("python", "faststream", "javascript")


async def test_every_example_client_registers_returns_and_follows_an_invoice_to_its_end(
    addresses: Addresses, tmp_path: Path
) -> None:
    environment = clients.environment_of_clients(addresses.kafka, tmp_path)
    chosen = [client for client in clients.CLIENTS if client.folder in LANGUAGES]
    async with system(addresses, tmp_path, "worker", "relay", "projector", "clock", "api", "tax-simulator"):
        plays = [
            asyncio.to_thread(client.play, environment, f"26320000000000{index:06d}")
            for index, client in enumerate(chosen)
        ]
        assert len(await asyncio.gather(*plays)) == len(LANGUAGES)


def test_the_page_of_the_examples_shows_what_each_prints_and_leaves_none_out() -> None:
    page = (clients.EXAMPLES / "README.md").read_text()
    assert f"```text\n{clients.OUTCOME}```" in page
    assert [client.folder for client in clients.CLIENTS if f"| [{client.folder}](" not in page] == []


def test_every_example_is_short_enough_to_be_read() -> None:
    names = ("client.py", "client.js", "Client.java", "main.go")
    sources = [path for name in names for path in clients.EXAMPLES.rglob(name)]
    assert {path.relative_to(clients.EXAMPLES).parts[0] for path in sources} == {one.folder for one in clients.CLIENTS}
    assert [path for path in sources if len(path.read_text().splitlines()) > 100] == []
