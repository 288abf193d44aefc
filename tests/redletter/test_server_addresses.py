"""Where commands look for the servers."""

from pathlib import Path

import pytest

from local.data_folder import SystemAddresses, lock_folder, write_addresses
from redletter.cli.servers import server_addresses
from redletter.settings import read
from transport.addresses import Addresses
from transport.kafka_security import KafkaSecurity

KAFKA, LOG, READ_MODELS = "127.0.0.1:9092", "postgresql://me@127.0.0.1/log", "postgresql://me@127.0.0.1/read_models"

OPEN, LOCKED = KafkaSecurity(), KafkaSecurity("SASL_PLAINTEXT", "PLAIN", "me", "secret")


def test_the_read_models_are_in_the_database_of_the_log_unless_another_is_named() -> None:
    given = {"kafka_bootstrap_servers": KAFKA, "database_url": LOG}
    together = server_addresses(read(**given))
    assert together.of_read_side().database == together.database == LOG
    apart = server_addresses(read(**given, read_database_url=READ_MODELS))
    assert (apart.database, apart.of_read_side()) == (LOG, Addresses(KAFKA, READ_MODELS))


@pytest.mark.parametrize(("user", "named", "security"), [("me", None, LOCKED), ("me", KAFKA, OPEN), (None, None, OPEN)])
def test_who_runs_up_comes_into_its_kafka_and_into_no_other_with_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str | None, named: str | None, security: KafkaSecurity
) -> None:
    connected: dict[str, KafkaSecurity] = {}
    monkeypatch.setattr("transport.clients.kafka.secure", connected.__setitem__)
    with lock_folder(tmp_path):
        write_addresses(tmp_path, SystemAddresses(KAFKA, LOG, None, None, user, user and "secret"))
        server_addresses(read(data_dir=str(tmp_path), **({"kafka_bootstrap_servers": named} if named else {})))
    assert connected.get(KAFKA, OPEN) == security


@pytest.mark.parametrize("read_models", [None, READ_MODELS])
def test_they_are_where_the_running_up_has_them(tmp_path: Path, read_models: str | None) -> None:
    with lock_folder(tmp_path):
        write_addresses(tmp_path, SystemAddresses(KAFKA, LOG, None, read_models))
        found = server_addresses(read(data_dir=str(tmp_path)))
    assert found == Addresses(KAFKA, LOG, read_models)
