"""What `redletter check` finds has a next step."""

import re
from pathlib import Path
from typing import cast

import pytest
from aiokafka.errors import ClusterAuthorizationFailedError

from redletter import checkup
from redletter.checkup import STEPS
from transport.clients.kafka import KafkaAdmin
from web.operations import condition


async def test_whoever_must_not_ask_kafka_for_rights_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(_: object) -> None:
        raise ClusterAuthorizationFailedError

    monkeypatch.setattr(checkup, "topic_acls", refused)
    (finding,) = await checkup.unneeded_rights(cast("KafkaAdmin", None))
    assert (finding.kind, "must not ask Kafka" in finding.what) == ("open", True)


async def test_a_kafka_where_nobody_is_refused_anything_has_no_rights_to_look_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def none(_: object) -> None:
        return None

    monkeypatch.setattr(checkup, "topic_acls", none)
    assert await checkup.unneeded_rights(cast("KafkaAdmin", None)) == []


def test_every_reason_why_the_system_can_be_degraded_has_a_next_step() -> None:
    """Those of an api that does not receive its topics are the api's own, and only it knows them."""
    source = Path(condition.__file__).read_text()
    codes = set(re.findall(r'code="([A-Z_]+)"', source)) - {"NOT_LISTENING"}
    assert len(codes) >= 7
    assert codes == set(STEPS)
