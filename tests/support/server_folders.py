"""The folders whose tests need real servers, which every other folder's tests do without."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FOLDERS_WITH_SERVERS = frozenset({"integration", "end_to_end", "browser", "faults"})
"""Names of the folders whose tests need real servers; every other folder's tests need none."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need servers by the folder they are in, and refuse one that is in another folder."""
    for item in items:
        if FOLDERS_WITH_SERVERS.intersection(item.path.relative_to(TESTS).parts):
            item.add_marker(pytest.mark.integration)
        elif isinstance(item, pytest.Function) and "servers" in item.fixturenames:
            msg = f"{item.nodeid} uses real servers: move it to a folder called integration"
            raise pytest.UsageError(msg)
