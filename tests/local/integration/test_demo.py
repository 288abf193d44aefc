"""The demo plays its journeys, checks them, and leaves nothing."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from local.demo import stage
from local.demo.journeys import journeys
from tests.redletter.support.program import PROGRAM
from tests.web.support.openid_provider import openid_provider
from transport.addresses import Addresses

ANOTHER_KAFKA = {"REDLETTER_KAFKA_BOOTSTRAP_SERVERS": "nowhere:9092", "REDLETTER_KAFKA_SECURITY_PROTOCOL": "SSL"}
"""Settings that are not for the demo, which has a Kafka of its own."""


@pytest.fixture
def asks_who_calls() -> Iterator[Mapping[str, str]]:
    """Return the settings of a system that wants tokens, and a token."""
    with openid_provider() as provider:
        yield {
            "REDLETTER_AUTH": "oidc",
            "REDLETTER_OIDC_ISSUER": provider.issuer.url,
            "REDLETTER_OIDC_AUDIENCE": provider.issuer.audience,
            "REDLETTER_API_TOKEN": provider.bearer("demo")["Authorization"].removeprefix("Bearer "),
        }


def test_all_journeys_go_through_and_nothing_is_left(asks_who_calls: Mapping[str, str]) -> None:
    before = set(Path(tempfile.gettempdir()).glob("redletter-demo-*"))
    environment = {**os.environ, **ANOTHER_KAFKA, **asks_who_calls}
    ended = subprocess.run([str(PROGRAM), "demo"], capture_output=True, text=True, check=False, env=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("  Returned\n") == 3
    assert "RETURN_CANNOT_BE_CANCELLED" in ended.stdout
    assert set(Path(tempfile.gettempdir()).glob("redletter-demo-*")) <= before


async def test_what_is_not_as_it_should_be_is_said(addresses: Addresses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "TIMEOUT_SECONDS", 2.0)
    with pytest.raises(stage.JourneyFailed, match="no reply to RegisterInvoice"):
        await journeys(stage.Servers(addresses.kafka, "http://127.0.0.1:9"), lambda _: None)
