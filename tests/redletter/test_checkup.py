"""What `redletter check` finds has a next step."""

import re
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from aiokafka.errors import ClusterAuthorizationFailedError, IncompatibleBrokerVersion
from typer.testing import CliRunner

from redletter import checkup
from redletter.api_client import Api
from redletter.checkup import FINDING_KINDS, Finding
from redletter.cli.system import system_commands
from rules.calendar import MAINLAND_CHINA
from transport.addresses import Addresses
from transport.clients.kafka import KafkaAdmin
from web.console.labels import NEXT_STEP
from web.operations import condition


@pytest.mark.parametrize("reason", [ClusterAuthorizationFailedError, IncompatibleBrokerVersion, NotImplementedError])
async def test_what_kafka_does_not_tell_of_rights_hides_nothing_else(
    monkeypatch: pytest.MonkeyPatch, reason: type[Exception]
) -> None:
    async def refused(_: object) -> None:
        raise reason

    monkeypatch.setattr(checkup, "topic_acls", refused)
    (finding,) = await checkup.unneeded_rights(cast("KafkaAdmin", None))
    assert (finding.kind, f"not known: {reason.__name__}" in finding.what) == ("open", True)


async def test_a_kafka_where_nobody_is_refused_anything_has_no_rights_to_look_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def none(_: object) -> None:
        return None

    monkeypatch.setattr(checkup, "topic_acls", none)
    assert await checkup.unneeded_rights(cast("KafkaAdmin", None)) == []


@pytest.mark.parametrize(("kinds", "code"), [((), 0), (("open",), 0), (("open", "late"), 1)])
def test_a_right_that_may_be_meant_is_told_and_does_not_fail(
    monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, ...], code: int
) -> None:
    monkeypatch.setenv("REDLETTER_KAFKA_BOOTSTRAP_SERVERS", "nobody.invalid:9092")
    monkeypatch.setenv("REDLETTER_DATABASE_URL", "postgresql://nobody.invalid/x")
    monkeypatch.setattr(checkup, "findings", lambda *_: [Finding(kind, "what", "step") for kind in kinds])
    ended = CliRunner().invoke(system_commands, ["check", "--json"])
    assert (ended.exit_code, len(ended.stdout.splitlines())) == (code, len(kinds))


def test_an_api_that_is_asked_tells_what_only_it_can_know(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"NOT_LISTENING": "This api is not receiving replies.", "LOG_UNPUBLISHED": "which check finds by itself"}

    async def nothing(*_: object) -> list[Finding]:
        return []

    monkeypatch.setattr(checkup, "_find", nothing)
    monkeypatch.setattr(checkup, "degraded_because", lambda _: told)
    addresses = Addresses("nobody.invalid:9092", "postgresql://nobody.invalid/x")
    (finding,) = checkup.findings(addresses, MAINLAND_CHINA, timedelta(), Api("http://nobody.invalid"))
    assert finding.what == "NOT_LISTENING: This api is not receiving replies."
    assert checkup.findings(addresses, MAINLAND_CHINA, timedelta()) == []


def test_every_reason_why_the_system_can_be_degraded_has_a_next_step() -> None:
    source = Path(condition.__file__).read_text()
    codes = set(re.findall(r'code="([A-Z_]+)"', source))
    assert len(codes) >= 7
    assert codes == set(FINDING_KINDS)
    assert codes <= set(NEXT_STEP)
