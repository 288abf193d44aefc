"""A server of this machine is asked at an address that a client can connect to."""

import pytest

from local.api_address import url_at


@pytest.mark.parametrize(
    ("listening", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),  # noqa: S104 - not bound
        ("::1", "http://[::1]:8080"),
        ("localhost", "http://localhost:8080"),
    ],
)
def test_where_a_server_listens_is_turned_into_an_address(listening: str, url: str) -> None:
    assert url_at(listening, 8080) == url
