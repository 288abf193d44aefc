"""The folders whose tests need real servers, which every other folder's tests do without."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FOLDERS_WITH_SERVERS = frozenset({"integration", "end_to_end", "browser", "faults"})
"""Names of the folders whose tests need real servers; every other folder's tests need none."""
LONGEST_FIRST = ("faults", "end_to_end", "benchmarks", "browser", "local", "integration")
"""Folders in the order of how long a file of theirs takes: one that began last would be waited for by itself."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need servers by the folder they are in, refuse one that is in another, and sort all."""
    for item in items:
        if FOLDERS_WITH_SERVERS.intersection(item.path.relative_to(TESTS).parts):
            item.add_marker(pytest.mark.integration)
        elif isinstance(item, pytest.Function) and "servers" in item.fixturenames:
            msg = f"{item.nodeid} uses real servers: move it to a folder called integration"
            raise pytest.UsageError(msg)
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    folders = item.path.relative_to(TESTS).parts
    return next((rank for rank, folder in enumerate(LONGEST_FIRST) if folder in folders), len(LONGEST_FIRST))
