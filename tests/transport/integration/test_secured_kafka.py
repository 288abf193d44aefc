"""Clients on a Kafka with its locks on: whoever cannot prove who they are does not come in."""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaConnectionError

from tests.support.secured_kafka import RunningLockedKafka, locked_kafka
from tests.web.support.openid_provider import openid_provider
from transport.acls import Acl, create_acls
from transport.clients import kafka as clients
from transport.kafka_security import KafkaSecurity

USER, PASSWORD = "worker", "rekrow"
PROGRAM = "portal"
"""A client of the OpenID provider."""
RIGHTS = [
    right
    for user in (USER, PROGRAM)
    for right in (
        Acl(user, "Write", "Topic", "t"),
        Acl(user, "Read", "Topic", "t"),
        Acl(user, "Read", "Group", "g", "prefixed"),
        Acl(user, "Write", "TransactionalId", "x"),
    )
]


@pytest.fixture(scope="module")
def kafka() -> Iterator[RunningLockedKafka]:
    """Start one with the topic t, and a user that may use it."""
    with (
        tempfile.TemporaryDirectory(prefix="redletter-tests-") as folder,
        openid_provider() as provider,
        locked_kafka(Path(folder), [USER], provider.issuer) as kafka,
    ):
        asyncio.run(_prepare(kafka.address))
        yield kafka


async def _prepare(bootstrap: str) -> None:
    async with clients.admin(bootstrap, "tests") as admin:
        await admin.create_topics([NewTopic("t", 1, 1)])
        await create_acls(admin, RIGHTS)


@pytest.fixture(autouse=True)
def security(kafka: RunningLockedKafka) -> Iterator[None]:
    """Forget how to connect when a test has ended."""
    yield
    for protocol in ("SASL_SSL", "SASL_PLAINTEXT", "SSL"):
        clients.secure(kafka.bootstrap(protocol), KafkaSecurity())


def ways_in(kafka: RunningLockedKafka) -> Mapping[str, KafkaSecurity]:
    return {
        "plain": KafkaSecurity("SASL_SSL", "PLAIN", USER, PASSWORD, kafka.ca_file),
        "scram 256": KafkaSecurity("SASL_SSL", "SCRAM-SHA-256", USER, PASSWORD, kafka.ca_file),
        "scram 512": KafkaSecurity("SASL_PLAINTEXT", "SCRAM-SHA-512", USER, PASSWORD),
        "certificate": KafkaSecurity("SSL", ca_file=kafka.ca_file, cert_file=kafka.client_file(USER)),
        "access token": bearing(kafka, PROGRAM, "secret"),
    }


def bearing(kafka: RunningLockedKafka, client: str, secret: str) -> KafkaSecurity:
    assert kafka.issuer
    endpoint = f"{kafka.issuer.url}/token"
    return KafkaSecurity("SASL_SSL", "OAUTHBEARER", client, secret, kafka.ca_file, token_url=endpoint)


@pytest.mark.parametrize("way", ["plain", "scram 256", "scram 512", "certificate", "access token"])
async def test_every_kind_of_client_comes_in(kafka: RunningLockedKafka, way: str) -> None:
    security = ways_in(kafka)[way]
    bootstrap = kafka.bootstrap(security.protocol)
    clients.secure(bootstrap, security)
    async with clients.running(clients.make_producer(bootstrap, "tests")) as producer:
        await producer.send_and_wait("t", b"1", partition=0)
    transactional = clients.make_transactional_producer(bootstrap, "x", timeout_seconds=10, max_batch_bytes=1000)
    async with clients.running(transactional) as producer, producer.transaction():
        await producer.send_and_wait("t", b"2", partition=0)
    async with clients.running(clients.make_consumer(bootstrap, "tests", "t", group_id="g1")) as consumer:
        assert consumer.subscription() == {"t"}
    async with clients.topic_reader(bootstrap, "tests") as reader:
        reader.assign([TopicPartition("t", 0)])
        await reader.seek_to_beginning()
        assert await reader.getone()
    async with clients.bare_client(bootstrap, "tests") as client:
        await client.bootstrap()
    async with clients.admin(bootstrap, "tests") as admin:
        assert "t" in await admin.list_topics()


@pytest.mark.parametrize(
    "wrong",
    ["no password", "wrong password", "unknown authority", "no certificate", "no locks", "wrong secret", "no token"],
)
async def test_whoever_lacks_a_key_stays_out(kafka: RunningLockedKafka, wrong: str) -> None:
    security = {
        "no password": KafkaSecurity("SSL", ca_file=kafka.ca_file),
        "wrong password": KafkaSecurity("SASL_SSL", "SCRAM-SHA-256", USER, "guess", kafka.ca_file),
        "unknown authority": KafkaSecurity("SASL_SSL", "PLAIN", USER, PASSWORD),
        "no certificate": KafkaSecurity("SSL", ca_file=kafka.ca_file),
        "no locks": KafkaSecurity(),
        "wrong secret": bearing(kafka, PROGRAM, "guess"),
        "no token": KafkaSecurity("SASL_SSL", "PLAIN", PROGRAM, "secret", kafka.ca_file),
    }[wrong]
    bootstrap = kafka.bootstrap("SSL" if wrong == "no certificate" else "SASL_SSL")
    clients.secure(bootstrap, security)
    with pytest.raises(KafkaConnectionError):
        async with clients.admin(bootstrap, "tests"):
            pass
