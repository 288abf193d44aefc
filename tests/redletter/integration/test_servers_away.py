"""Commands for people while Kafka or PostgreSQL is frozen or away: a sentence within a bound, and no stack."""

import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from local import ports
from local.child_server import ChildServer
from local.kafka_server import embedded_kafka
from local.postgres_server import embedded_postgres
from tests.redletter.support.program import redletter
from transport.addresses import Addresses

WITHIN = 35.0
"""Seconds; 10 of them are the commands' own bound, the rest is for three that start at once on a busy machine."""
NUMBER = "26312000000000000001"
COMMANDS = {
    "why": ["why", NUMBER],
    "projections list": ["projections", "list"],
    "migrate": ["migrate"],
}
SEND = ["send", "--wait", "3", "-"]
LINE = '{"type": "CancelReturn", "data": {}}'


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Generator[ChildServer]:
    """Run a broker that a test may freeze."""
    with embedded_kafka(tmp_path_factory.mktemp("kafka")) as server:
        yield server


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Generator[ChildServer]:
    """Run a server that a test may freeze."""
    with embedded_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(params=["kafka", "postgres"])
def frozen(request: pytest.FixtureRequest, kafka: ChildServer, postgres: ChildServer) -> Generator[Addresses]:
    """Freeze one of the two."""
    server = {"kafka": kafka, "postgres": postgres}[request.param]
    addresses = Addresses(kafka.address, postgres.address)
    server.signal(SIGSTOP)
    yield addresses
    server.signal(SIGCONT)


@pytest.fixture(params=["kafka", "postgres"])
def away(request: pytest.FixtureRequest, kafka: ChildServer, postgres: ChildServer) -> Addresses:
    """Let nobody listen where one of the two should."""
    (nobody,) = ports.free(1)
    if request.param == "kafka":
        return Addresses(f"{ports.HOST}:{nobody}", postgres.address)
    return Addresses(kafka.address, f"postgresql://redletter:secret@{ports.HOST}:{nobody}/redletter")


def ended(command: list[str], addresses: Addresses, said: str = "") -> tuple[int, str, float]:
    """Run a command, and return its exit code, what it wrote on standard error, and the seconds it took."""
    began = time.monotonic()
    done = redletter(
        *command,
        said=said,
        REDLETTER_KAFKA_BOOTSTRAP_SERVERS=addresses.kafka,
        REDLETTER_DATABASE_URL=addresses.database,
    )
    return done.returncode, done.stderr, time.monotonic() - began


def has_one_sentence(errors: str) -> bool:
    """Return whether the command said why in one sentence; a password is never part of it."""
    sentences = [line for line in errors.splitlines() if line.startswith("redletter: ")]
    return len(sentences) == 1 and "Traceback" not in errors and "secret" not in errors


def all_ended(addresses: Addresses) -> dict[str, tuple[int, str, float]]:
    """Run every command at once: each waits for a server, and none for another."""
    with ThreadPoolExecutor(len(COMMANDS)) as threads:
        return dict(
            zip(COMMANDS, threads.map(lambda command: ended(command, addresses), COMMANDS.values()), strict=True)
        )


def test_a_frozen_server_ends_every_command_in_time(frozen: Addresses) -> None:
    for name, (code, errors, seconds) in all_ended(frozen).items():
        if name == "why" and "no message about" in errors:  # it needs no PostgreSQL
            continue
        assert (code, has_one_sentence(errors)) == (1, True), errors
        assert seconds < WITHIN, name


def test_a_server_that_is_away_ends_every_command_in_time(away: Addresses) -> None:
    for name, (code, errors, seconds) in all_ended(away).items():
        assert (code, has_one_sentence(errors)) == (1, True), errors
        assert seconds < WITHIN, name


def test_send_keeps_its_time_while_kafka_is_frozen(kafka: ChildServer, postgres: ChildServer) -> None:
    kafka.signal(SIGSTOP)
    try:
        code, errors, seconds = ended(SEND, Addresses(kafka.address, postgres.address), LINE)
    finally:
        kafka.signal(SIGCONT)
    assert (code, has_one_sentence(errors)) == (3, True), errors
    assert seconds < 3 + 30


def test_send_without_a_server_says_so(postgres: ChildServer) -> None:
    (nobody,) = ports.free(1)
    code, errors, _ = ended(SEND, Addresses(f"{ports.HOST}:{nobody}", postgres.address), LINE)
    assert (code, has_one_sentence(errors)) == (3, True), errors
    assert len(errors.splitlines()) == 1, errors  # what the Kafka client logs says the same once more


def test_status_and_history_say_that_the_api_does_not_answer(tmp_path: Path) -> None:
    (nobody,) = ports.free(1)
    for command in ("status", "history"):
        done = redletter(command, NUMBER, REDLETTER_API_PORT=str(nobody), REDLETTER_DATA_DIR=str(tmp_path))
        assert (done.returncode, has_one_sentence(done.stderr)) == (1, True), done.stderr
