"""How long requests take is measured."""

from collections.abc import Mapping

import httpx
import pytest
from prometheus_client import REGISTRY

from transport.addresses import Addresses
from web import app as api

NOWHERE = Addresses("127.0.0.1:1", "postgresql://nobody:nothing@127.0.0.1:1/none?connect_timeout=1")


def counted(**labels: str) -> float:
    return REGISTRY.get_sample_value("redletter_http_request_seconds_count", labels) or 0


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/livez", {"method": "GET", "route": "/livez", "status": "200"}),
        ("GET", "/schemas/no.json", {"method": "GET", "route": "/schemas/{name}.json", "status": "404"}),
        ("GET", "/nowhere", {"method": "GET", "route": "-", "status": "404"}),
        ("BREW", "/livez", {"method": "other", "route": "/livez", "status": "405"}),
    ],
)
async def test_a_request_is_counted_by_its_route_and_never_by_what_its_caller_made_up(
    method: str, path: str, labels: Mapping[str, str]
) -> None:
    transport = httpx.ASGITransport(api.build(NOWHERE))
    before = counted(**labels)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        await client.request(method, path)
    assert counted(**labels) == before + 1
