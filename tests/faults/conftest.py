"""A system that a test may hurt in any way."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.support.hurt_system import System, on_own_servers


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    """Start servers and roles of this test's own."""
    async with on_own_servers(tmp_path) as own:
        yield own
