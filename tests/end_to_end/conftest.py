"""One running system for all tests of a module, each with invoices of its own."""

from collections.abc import AsyncIterator, Iterator
from itertools import count

import httpx
import pytest
import pytest_asyncio

from tests.end_to_end.support.client import Client, connected
from tests.end_to_end.support.shared import Shared
from tests.end_to_end.support.system import system
from tests.support.fresh_system import fresh
from transport.addresses import Addresses

_NUMBERS = (f"2699{index:016d}" for index in count(1))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(servers: Addresses, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shared]:
    """Start every role but the tax simulator. The module's tests share its event loop, and take no other system."""
    logs = tmp_path_factory.mktemp("logs")
    roles = ("worker", "relay", "projector", "clock", "api")
    async with (
        fresh(servers, template) as own,
        system(own, logs, *roles) as (running, http),
        connected(own.kafka) as billing,
    ):
        yield Shared(own, running, http, billing)


@pytest.fixture
def http(shared: Shared) -> httpx.AsyncClient:
    """Return a client of the api."""
    return shared.http


@pytest.fixture
def billing(shared: Shared) -> Client:
    """Return the other service."""
    return shared.billing


@pytest.fixture
def numbers() -> Iterator[str]:
    """Return numbers of invoices that no other test uses."""
    return _NUMBERS


@pytest.fixture
def number(numbers: Iterator[str]) -> str:
    """Return one of them."""
    return next(numbers)
