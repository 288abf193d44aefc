"""One system for all tests of a module."""

from dataclasses import dataclass

import httpx

from tests.end_to_end.support.client import Client
from tests.faults.support.roles import Roles
from transport.addresses import Addresses


@dataclass(frozen=True, slots=True)
class Shared:
    """The system, its address, and another service that is connected to it."""

    addresses: Addresses
    roles: Roles
    http: httpx.AsyncClient
    billing: Client
