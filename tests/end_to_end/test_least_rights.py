"""The whole system with its locks on: TLS to both servers, and each role may do what `acls` and `grants` say alone."""

import asyncio
import json
import re
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psutil
import psycopg
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError, TransactionalIdAuthorizationFailed
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation  # named nowhere else

from events.catalogue import json_of, name_of
from events.commands import AnyCommand
from events.names import CLOCK_GROUP, PROJECTOR_GROUP, RELAY_GROUP, TAX_SIMULATOR_GROUP, WORKER_GROUP
from events.topics import TOPICS
from local import ports
from local.waiting import wait_until
from projections.dead_letters.replaying import REPLAY_NAME
from redletter.database_grants import GRANTED_ROLES
from redletter.kafka_rights import rights
from tests.faults.support.roles import PROGRAM, Roles
from tests.service.support import orders
from tests.support.granted_roles import let_log_in, logged_in_as
from tests.support.patience import patiently
from tests.support.secured_kafka import Authority, RunningLockedKafka, locked_kafka
from tests.support.secured_postgres import secured_postgres
from tests.support.waiting import until
from transport.acls import CLUSTER, Acl, create_acls
from transport.addresses import Addresses
from transport.clients import kafka as clients
from transport.kafka_security import KafkaSecurity

USERS = sorted({right.user for right in rights()})
GROUPS = [
    WORKER_GROUP,
    RELAY_GROUP,
    CLOCK_GROUP,
    TAX_SIMULATOR_GROUP,
    f"{PROJECTOR_GROUP}.status",
    REPLAY_NAME,
    "portal-1",
    "subscriber",
    "other",
]
REFUSALS = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)
TRANSACTIONAL_IDS = [f"{RELAY_GROUP}-0", f"{PROJECTOR_GROUP}.status-0", f"{CLOCK_GROUP}-0", REPLAY_NAME, "other"]
FORM_ROUTE, REPLACEMENT = orders.OTHER_NUMBER, "26000000000000000003"
"""An invoice that is returned on the form route, and the one that is issued in its place."""
ROLES = ("worker", "relay", "projector", "clock", "api", "tax-simulator")


@dataclass
class LockedRoles(Roles):
    """Roles that each log in as themselves."""

    kafka: RunningLockedKafka | None = None

    def environment_of(self, name: str) -> dict[str, str]:
        """Return the environment of whoever bears this name."""
        assert self.kafka
        return super().environment_of(name) | {
            "REDLETTER_KAFKA_CA_FILE": str(self.kafka.ca_file),
            "REDLETTER_DATABASE_URL": logged_in_as(name, self.addresses.database),
            "REDLETTER_READ_DATABASE_URL": logged_in_as(name, self.addresses.of_read_side().database),
            **(_by_certificate(self.kafka, name) if name == "projector" else _by_password(name)),
        }

    def redletter(self, user: str, *command: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command as a user."""
        call = partial(subprocess.run, env=self.environment_of(user), input=given, capture_output=True, text=True)
        return patiently(lambda: call([PROGRAM, *command], timeout=300, check=False))

    def send(self, user: str, *commands: AnyCommand) -> list[dict[str, Any]]:
        """Send commands as a user; return the replies."""
        sent = self.redletter(user, "send", "-", given="\n".join(map(line_of, commands)))
        replies = [json.loads(line) for line in sent.stdout.splitlines()]
        assert len(replies) == len(commands), sent.stderr
        return replies

    def accepted(self, user: str, *commands: AnyCommand) -> None:
        """Send commands that are accepted."""
        refusals = [reply for reply in self.send(user, *commands) if "code" in reply]
        assert refusals == []


def _by_certificate(kafka: RunningLockedKafka, name: str) -> dict[str, str]:
    return {
        "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap("SSL"),
        "REDLETTER_KAFKA_SECURITY_PROTOCOL": "SSL",
        "REDLETTER_KAFKA_CERT_FILE": str(kafka.client_file(name)),
    }


def _by_password(name: str) -> dict[str, str]:
    return {
        "REDLETTER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "REDLETTER_KAFKA_SASL_MECHANISM": {"worker": "PLAIN", "relay": "SCRAM-SHA-256"}.get(name, "SCRAM-SHA-512"),
        "REDLETTER_KAFKA_USERNAME": name,
        "REDLETTER_KAFKA_PASSWORD": name[::-1],
    }


@pytest.fixture(scope="module")
def kafka() -> Iterator[RunningLockedKafka]:
    with tempfile.TemporaryDirectory(prefix="redletter-tests-") as folder, locked_kafka(Path(folder), USERS) as kafka:
        applied = subprocess.run(
            [PROGRAM, "acls", "--apply"],
            env={"REDLETTER_KAFKA_BOOTSTRAP_SERVERS": kafka.address, "REDLETTER_DATABASE_URL": "postgresql://no/body"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert applied.returncode == 0, applied.stderr
        operator = kafka.operator()
        assert wait_until(lambda: all_coordinated(operator), seconds=60)
        yield kafka


def all_coordinated(operator: AdminClient) -> bool:
    """Return whether Kafka can answer for every group; at its start it loads what it knows of them."""
    return all(one.exception(60) is None for one in operator.describe_consumer_groups(GROUPS).values())


@pytest.fixture(scope="module")
def system(kafka: RunningLockedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LockedRoles]:
    """Return the roles on these servers, none of which runs; topics, tables and rights are there."""
    logs = tmp_path_factory.mktemp("roles")
    with (
        tempfile.TemporaryDirectory(prefix="redletter-tests-") as folder,
        secured_postgres(Path(folder), kafka.authority) as postgres,
    ):
        (port,) = ports.free(1)
        with psycopg.connect(postgres.address, autocommit=True) as owner:
            owner.execute("create database read_models")
        read_models = urlsplit(postgres.address)._replace(path="/read_models").geturl()
        addresses = Addresses(kafka.bootstrap(), postgres.address, read_models)
        roles = LockedRoles(addresses, logs, {"REDLETTER_API_PORT": str(port)}, kafka=kafka)
        migrated = roles.redletter("migrate", "migrate")
        assert migrated.returncode == 0, migrated.stderr
        granted = roles.redletter("migrate", "grants", "--apply")
        assert granted.returncode == 0, granted.stderr
        let_log_in(postgres.address)
        yield roles


@pytest.fixture
def roles(system: LockedRoles) -> Iterator[LockedRoles]:
    """Stop the roles that a test has started."""
    yield system
    system.leave()


@pytest.fixture
async def http(roles: LockedRoles) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.AsyncHTTPTransport(retries=8)
    url = f"http://127.0.0.1:{roles.environment['REDLETTER_API_PORT']}"
    async with httpx.AsyncClient(base_url=url, timeout=40, transport=transport) as http:
        yield http


async def test_every_journey_goes_through_by_roles_that_may_do_no_more_than_they_need(
    roles: LockedRoles, http: httpx.AsyncClient
) -> None:
    roles.start(*ROLES)
    roles.accepted("billing", orders.register(kind="general"), orders.register(FORM_ROUTE, charges=["c2"]))
    roles.accepted("tax-connector", orders.observe(number=FORM_ROUTE))
    await shown(http, f"/invoices/{orders.NUMBER}/status")
    await asked(http, orders.NUMBER, "return", "k1", orders.ask_simply())
    await asked(http, FORM_ROUTE, "return", "k2", orders.ask_return(FORM_ROUTE))
    await shown(http, f"/invoices/{orders.NUMBER}/status", is_returned)
    await shown(http, f"/invoices/{FORM_ROUTE}/status", is_returned)
    await asked(http, FORM_ROUTE, "reissue", "k3", orders.reissue("c2", number=FORM_ROUTE))
    details = await shown(http, f"/invoices/{FORM_ROUTE}", lambda one: one["reissues"] != [])
    replaces = orders.replaces(FORM_ROUTE, details["reissues"][0]["reissue_id"])
    roles.accepted("billing", orders.register(REPLACEMENT, charges=["c2"], replaces=replaces))
    await shown(http, f"/invoices/{FORM_ROUTE}/status", lambda one: one["replacement_numbers"] == [REPLACEMENT])
    (refused,) = roles.send("portal", orders.ask_simply())
    assert refused["code"] == "INVOICE_ALREADY_REVERSED"
    await shown(http, "/operations", lambda one: one["lag"] is not None)
    assert roles.redletter("operator", "why", orders.NUMBER).returncode == 0
    forged = roles.redletter("portal", "send", "-", given=line_of(orders.complete()))
    assert "TopicAuthorizationFailed" in forged.stderr
    no_password_is_told(roles)
    assert "nothing to rebuild" in roles.redletter("operator", "reconcile").stdout
    each_side_has_its_own_tables(roles)
    await what_is_wrong_with_rights_and_roles_is_noticed(roles)


def each_side_has_its_own_tables(roles: LockedRoles) -> None:
    """The log none of the read models, these none of the log; what people ask for is found on its side."""
    schemas = "select array_agg(distinct schemaname || '.' || tablename) from pg_tables"
    for database, has, lacks in (
        (roles.addresses.database, "redletter.invoice_events", "projections.status"),
        (roles.addresses.of_read_side().database, "projections.status", "redletter.invoice_events"),
    ):
        with psycopg.connect(database) as owner:
            ((tables,),) = owner.execute(schemas).fetchall()
        assert (has in tables, lacks in tables, "redletter.positions" in tables) == (True, False, True)
    positions = roles.redletter("operator", "positions", "show").stdout
    assert WORKER_GROUP in positions
    assert f"{PROJECTOR_GROUP}.status" in positions
    verified = roles.redletter("operator", "projections", "verify", "all")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    rebuilt = roles.redletter("operator", "projections", "rebuild", "forms")
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    assert roles.redletter("operator", "dead-letters", "list").returncode == 0


async def asked(http: httpx.AsyncClient, number: str, what: str, key: str, command: AnyCommand) -> None:
    """Give a command over HTTP that is accepted."""
    body = {name: value for name, value in json.loads(json_of(command)).items() if name != "invoice_number"}
    sent = await http.post(f"/invoices/{number}/{what}", json=body, headers={"Idempotency-Key": key})
    assert sent.status_code in {200, 202}, sent.text
    assert "code" not in await shown(http, f"/commands/{key}")


async def shown(
    http: httpx.AsyncClient, path: str, holds: Callable[[dict[str, Any]], bool] = lambda _: True
) -> dict[str, Any]:
    """Wait until a query is answered as it should be, and return the answer."""
    answers: list[httpx.Response] = []

    async def is_as_it_should_be() -> bool:
        answers.append(await http.get(path))
        return answers[-1].status_code == 200 and holds(answers[-1].json())

    await until(is_as_it_should_be, lambda: f"{path}: {answers[-1].text}")
    return answers[-1].json()


def is_returned(document: dict[str, Any]) -> bool:
    """Return whether the status is the last one."""
    return document["status"]["code"] == "returned"


def line_of(command: AnyCommand) -> str:
    """Return the line that `redletter send` takes, with an id, so that it is safe to send it again."""
    name, data = name_of(type(command)).removesuffix(".v1"), json.loads(json_of(command))
    return json.dumps({"type": name, "id": str(uuid4()), "data": data})


def no_password_is_told(roles: LockedRoles) -> None:
    """On the command lines and in the logs; that of the api, three letters, would be in many a word."""
    for name in ("worker", "relay", "clock", "tax-simulator"):
        process = psutil.Process(roles.running[name].pid)
        lines = [" ".join(one.cmdline()) for one in (process, *process.children(recursive=True))]
        assert not any(name[::-1] in told for told in (*lines, (roles.logs / f"{name}.log").read_text()))


async def what_is_wrong_with_rights_and_roles_is_noticed(roles: LockedRoles) -> None:
    assert roles.kafka
    found = ""

    async def finds(*wanted: str) -> bool:
        nonlocal found
        found = roles.redletter("operator", "check").stdout  # nothing, where servers did not answer in time
        return bool(found) and all(what in found for what in wanted)

    await until(finds, lambda: f"no findings: {found}")
    assert "open" not in found
    assert "ROLE_MISSING" not in found
    async with clients.admin(roles.kafka.address, "tests") as admin:
        await create_acls(admin, [Acl("stranger", "Write", "Topic", "invoice.events")])
    roles.stop("clock")
    wanted = ("User:stranger may write or change invoice.events", "ROLE_MISSING: No clock is running")
    await until(partial(finds, *wanted), lambda: f"check says {found}")


async def test_no_role_talks_to_a_database_that_cannot_prove_who_it_is(roles: LockedRoles, tmp_path: Path) -> None:
    own = replace(roles, logs=tmp_path, running={}, read_from={})
    stranger = tmp_path / "stranger.pem"
    stranger.write_text(Authority().pem)
    log, read_models = (
        re.sub(r"sslrootcert=.*", f"sslrootcert={stranger}", url)
        for url in (roles.addresses.database, roles.addresses.of_read_side().database)
    )
    own.addresses = Addresses(roles.addresses.kafka, log, read_models)
    granted = sorted(GRANTED_ROLES)

    async def refuses(role: str) -> bool:
        return "SSL error" in (tmp_path / f"{role}.log").read_text()

    try:
        own.start(*granted)
        for role in granted:
            await until(partial(refuses, role))
    finally:
        own.leave()
    assert not any(f"redletter_{role}:" in (tmp_path / f"{role}.log").read_text() for role in granted)


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("user", USERS)
def test_kafka_allows_a_user_what_acls_says_and_no_operation_more(kafka: RunningLockedKafka, user: str) -> None:
    admin = AdminClient(
        {
            "bootstrap.servers": kafka.bootstrap("SASL_PLAINTEXT"),
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": user,
            "sasl.password": user[::-1],
            "log_level": 0,
        }
    )
    topics = admin.describe_topics(
        TopicCollection([topic.name for topic in TOPICS]), include_authorized_operations=True
    )
    groups = admin.describe_consumer_groups(GROUPS, include_authorized_operations=True)
    for resource, described in (("Topic", topics), ("Group", groups)):
        for name, found in described.items():
            assert allowed_operations(found) == said_operations(user, resource, name), name
    cluster = admin.describe_cluster(include_authorized_operations=True)
    assert allowed_operations(cluster) == said_operations(user, "Cluster", CLUSTER)


def allowed_operations(described: "Future[Any]") -> set[str]:
    """Return what the broker says that whoever asked may do; nothing where it refuses even to say that."""
    if isinstance(error := described.exception(30), KafkaException) and error.args[0].code() in REFUSALS:
        return set()
    return {AclOperation(one).name for one in described.result().authorized_operations or ()}


def said_operations(user: str, resource: str, name: str) -> set[str]:
    said = {
        re.sub("(?<!^)([A-Z])", r"_\1", right.operation).upper()
        for right in rights()
        if (right.user, right.resource) == (user, resource) and right.covers(name)
    }
    implied = {"DESCRIBE"} if said & {"READ", "WRITE"} else set[str]()
    return said | implied | ({"DESCRIBE_CONFIGS"} if "ALTER_CONFIGS" in said else set[str]())


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("user", USERS)
async def test_nobody_reads_or_writes_a_topic_without_the_right_to(kafka: RunningLockedKafka, user: str) -> None:
    topics = [topic.name for topic in TOPICS]
    async with clients.running(clients.make_producer(kafka.address, "tests")) as anybody:
        for topic in topics:
            await anybody.send_and_wait(topic, b"{}", b"key", partition=0)
    bootstrap = kafka.bootstrap("SASL_PLAINTEXT")
    clients.secure(bootstrap, KafkaSecurity("SASL_PLAINTEXT", "PLAIN", user, user[::-1]))
    allowed = {(right.operation, right.name) for right in rights() if (right.user, right.resource) == (user, "Topic")}
    async with clients.admin(bootstrap, "tests") as admin:
        known = await admin.list_topics()
    for topic in topics:
        assert (topic in known and await writes(bootstrap, topic)) == (("Write", topic) in allowed)
        assert (topic in known and await reads(bootstrap, topic)) == (("Read", topic) in allowed)
    for id_ in TRANSACTIONAL_IDS:
        assert await fences(bootstrap, id_) == ("WRITE" in said_operations(user, "TransactionalId", id_)), id_


async def fences(bootstrap: str, transactional_id: str) -> bool:
    """Return whether one may end the transactions of whoever uses this id."""
    producer = clients.make_transactional_producer(
        bootstrap, transactional_id, timeout_seconds=60, max_batch_bytes=1 << 20
    )
    try:
        async with clients.running(producer):
            return True
    except TransactionalIdAuthorizationFailed:
        return False


async def writes(bootstrap: str, topic: str) -> bool:
    try:
        async with clients.running(clients.make_producer(bootstrap, "tests")) as producer:
            await producer.send_and_wait(topic, b"{}", b"key", partition=0)
    except TopicAuthorizationFailedError:
        return False
    return True


async def reads(bootstrap: str, topic: str) -> bool:
    partition = TopicPartition(topic, 0)
    try:
        async with clients.topic_reader(bootstrap, "tests") as consumer, asyncio.timeout(60):
            consumer.assign([partition])
            consumer.seek(partition, 0)
            while not await consumer.getmany(timeout_ms=100):
                pass
    except TopicAuthorizationFailedError:
        return False
    return True
