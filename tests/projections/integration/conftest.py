"""A client of the api, for what read models answer."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.web.support.serving import serving
from transport.addresses import Addresses


@pytest.fixture
async def client(tables: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of an api on the tables of this test."""
    async with serving(tables) as client:
        yield client
