"""`parked` shows what waits, releases it, and discards it; its exit codes say what is left."""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from aiokafka import TopicPartition

from local import ports
from service.store.event_store import Store
from service.worker import deciding
from service.worker.work import CommandWork
from tests.redletter.support.program import redletter
from tests.service.support.records import CANCEL, MOMENTS, NUMBER, binary
from transport.addresses import Addresses
from transport.batch import Batch

TOPIC = "invoice.commands.customer"


@pytest.fixture
def store(addresses: Addresses) -> Iterator[Store]:
    store = Store(addresses.database)
    yield store
    store.close()


@pytest.fixture
def parked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Park an invoice with two commands that wait."""

    def fail(*_: Any) -> None:
        raise RuntimeError("a \x1b[2Jbug")

    store.positions([TopicPartition(TOPIC, 0)])
    records = [binary("CancelReturn", CANCEL, ce_id=id_, offset=offset) for offset, id_ in enumerate((b"1", b"2"))]
    with monkeypatch.context() as patched:
        patched.setattr(deciding, "decide", fail)
        CommandWork(store, MOMENTS).handle(Batch(records, {TopicPartition(TOPIC, 0): 0}))


def run(addresses: Addresses, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("REDLETTER_")},
        "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": addresses.kafka,
        "REDLETTER_DATABASE_URL": addresses.database,
    }
    return redletter("parked", *arguments, **environment)


def codes(addresses: Addresses) -> list[str]:
    with psycopg.connect(addresses.database) as connection:
        rows = connection.execute("select value from redletter.replies order by partition, place").fetchall()
    return [json.loads(value)["code"] for (value,) in rows]


@pytest.mark.usefixtures("parked")
def test_what_is_parked_is_listed_released_and_gone(addresses: Addresses) -> None:
    (line,) = run(addresses, "list", "--json").stdout.splitlines()
    listed = json.loads(line)
    assert (listed["invoice_number"], listed["commands"]) == (NUMBER, 2)
    assert listed["error"] == "RuntimeError('a \\x1b[2Jbug')"
    assert NUMBER in run(addresses, "list").stdout
    released = run(addresses, "release", NUMBER)
    assert (released.returncode, released.stdout) == (0, f"{NUMBER}: 2 commands answered\n")
    assert codes(addresses) == ["INVOICE_NOT_FOUND"] * 2
    again = run(addresses, "release", NUMBER)
    assert (again.returncode, again.stderr) == (1, f"redletter: {NUMBER} is not parked; see `redletter parked list`\n")
    nothing = run(addresses, "release", "--all")
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (0, "", "")


@pytest.mark.usefixtures("parked")
def test_what_no_fix_helps_is_discarded_with_a_reason(addresses: Addresses, store: Store) -> None:
    assert run(addresses, "discard", NUMBER).returncode == 2
    assert run(addresses, "discard", NUMBER, "--reason", " ").returncode == 2
    assert codes(addresses) == []
    discarded = run(addresses, "discard", NUMBER, "--reason", "sent by mistake")
    assert (discarded.returncode, discarded.stdout) == (0, f"{NUMBER}: 2 commands refused\n")
    assert codes(addresses) == ["INTERNAL_FAULT"] * 2
    assert store.parked() == []


UNREADABLE_EVENT = """
    insert into redletter.invoice_events (originator_id, originator_version, topic, state, occurred_at, causation_id,
        correlation_id, partition, place)
    values (%s, 1, 'InvoiceIssued.v1', '{}', now(), '', '', 0, 1)
"""


@pytest.mark.usefixtures("parked")
def test_an_invoice_that_cannot_be_released_stays_and_the_reason_is_given(addresses: Addresses, store: Store) -> None:
    with psycopg.connect(addresses.database, autocommit=True) as connection:
        connection.execute(UNREADABLE_EVENT, (NUMBER,))
    failed = run(addresses, "release", "--all")
    assert (failed.returncode, failed.stdout) == (1, f"{NUMBER}: 0 commands answered\n")
    assert failed.stderr.startswith(f"redletter: {NUMBER} stays parked: ")
    (parked,) = store.parked()
    assert parked.commands == 2
    assert "bug" not in parked.error


def test_a_release_names_an_invoice_or_all() -> None:
    assert redletter("parked", "release").returncode == 2
    assert redletter("parked", "release", NUMBER, "--all").returncode == 2


def test_a_database_that_is_away_is_said_in_one_sentence() -> None:
    (nobody,) = ports.free(1)
    ended = run(Addresses("127.0.0.1:1", f"postgresql://127.0.0.1:{nobody}/none"), "list")
    assert ended.returncode == 1
    assert ended.stderr.startswith("redletter: cannot query PostgreSQL: ")
