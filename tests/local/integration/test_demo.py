"""The demo plays its journeys, checks them, and leaves nothing."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from local.demo import stage
from local.demo.journeys import journeys
from tests.redletter.support.program import PROGRAM
from transport.addresses import Addresses


def test_all_journeys_go_through_and_nothing_is_left() -> None:
    before = set(Path(tempfile.gettempdir()).glob("redletter-demo-*"))
    ended = subprocess.run([str(PROGRAM), "demo"], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("  Returned\n") == 3
    assert "RETURN_CANNOT_BE_CANCELLED" in ended.stdout
    assert set(Path(tempfile.gettempdir()).glob("redletter-demo-*")) <= before


async def test_what_is_not_as_it_should_be_is_said(addresses: Addresses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "TIMEOUT_SECONDS", 2.0)
    with pytest.raises(stage.JourneyFailed, match="no reply to RegisterInvoice"):
        await journeys(addresses.kafka, "http://127.0.0.1:9", lambda _: None)
