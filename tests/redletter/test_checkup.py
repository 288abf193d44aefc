"""What `redletter check` finds has a next step."""

import re
from pathlib import Path
from typing import cast

import pytest
from aiokafka.errors import ClusterAuthorizationFailedError, IncompatibleBrokerVersion
from typer.testing import CliRunner

from redletter import checkup
from redletter.checkup import STEPS, Finding
from redletter.cli.system import system_commands
from transport.clients.kafka import KafkaAdmin
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


def test_every_reason_why_the_system_can_be_degraded_has_a_next_step() -> None:
    """Those of an api that does not receive its topics are the api's own, and only it knows them."""
    source = Path(condition.__file__).read_text()
    codes = set(re.findall(r'code="([A-Z_]+)"', source)) - {"NOT_LISTENING"}
    assert len(codes) >= 7
    assert codes == set(STEPS)
