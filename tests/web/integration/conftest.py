"""A client of an api that has something to show."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.web.support.serving import serving
from tests.web.support.story import STORY, store
from transport.addresses import Addresses


@pytest.fixture
async def client(tables: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of an api whose read models have seen the story."""
    store(tables, versions=len(STORY))
    async with serving(tables) as client:
        yield client
