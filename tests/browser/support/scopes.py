"""How long a fixture of this folder lasts; all share one event loop."""

import pytest_asyncio

together = pytest_asyncio.fixture(scope="package", loop_scope="session")
each = pytest_asyncio.fixture(loop_scope="session")
