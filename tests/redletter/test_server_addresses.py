"""Where commands look for the servers."""

from pathlib import Path

import pytest

from local.data_folder import SystemAddresses, lock_folder, write_addresses
from redletter.cli.servers import server_addresses
from redletter.settings import read
from transport.addresses import Addresses

KAFKA, LOG, READ_MODELS = "127.0.0.1:9092", "postgresql://me@127.0.0.1/log", "postgresql://me@127.0.0.1/read_models"


def test_the_read_models_are_in_the_database_of_the_log_unless_another_is_named() -> None:
    given = {"kafka_bootstrap_servers": KAFKA, "database_url": LOG}
    together = server_addresses(read(**given))
    assert together.of_read_side().database == together.database == LOG
    apart = server_addresses(read(**given, read_database_url=READ_MODELS))
    assert (apart.database, apart.of_read_side()) == (LOG, Addresses(KAFKA, READ_MODELS))


@pytest.mark.parametrize("read_models", [None, READ_MODELS])
def test_they_are_where_the_running_up_has_them(tmp_path: Path, read_models: str | None) -> None:
    with lock_folder(tmp_path):
        write_addresses(tmp_path, SystemAddresses(KAFKA, LOG, None, read_models))
        found = server_addresses(read(data_dir=str(tmp_path)))
    assert found == Addresses(KAFKA, LOG, read_models)
