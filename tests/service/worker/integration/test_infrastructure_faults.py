"""A trouble of the surroundings is never held against a command: it waits, and is answered rightly afterwards."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from psycopg import sql
from psycopg.errors import InvalidSqlStatementName

from events.names import WORKER_GROUP
from rules.calendar import MAINLAND_CHINA
from service.log.entries import EventEntry
from service.store import recorder
from service.store.event_store import Store
from service.store.newer_releases import ProgramTooOld
from service.store.write import Conflict, Write
from service.worker import loading
from service.worker import role as worker
from service.worker.work import CommandWork
from tests.service.support.batches import TOPIC, batch, buried, codes, register
from tests.service.support.groups import members
from tests.service.support.records import MOMENTS, POLICY, REGISTER, headers, raw
from transport.addresses import Addresses
from transport.batch import Batch
from transport.positions import Move
from transport.records import ConsumerRecord

MANY = 10


def many() -> Batch:
    return batch(*(register(index, offset=index) for index in range(MANY)))


def run(database: str, statement: str) -> None:
    able = "-c default_transaction_read_only=off"
    with psycopg.connect(database, autocommit=True, options=able) as connection:
        connection.execute(sql.SQL(statement))  # type: ignore[arg-type] - literals alone


READ_ONLY = "execute format('alter database %I set default_transaction_read_only = on', current_database());"
WRITING = "execute format('alter database %I reset default_transaction_read_only', current_database());"
BROKEN = {
    "a table is away": (
        "alter table redletter.claims rename to claims_elsewhere",
        "alter table redletter.claims_elsewhere rename to claims",
    ),
    "a newer release added a column": (
        "alter table redletter.invoice_events add column newer int not null",
        "alter table redletter.invoice_events drop column newer",
    ),
    "a newer release added a check": (
        "alter table redletter.replies add constraint newer check (name = 'x')",
        "alter table redletter.replies drop constraint newer",
    ),
    "a column of events holds less than before": (
        "alter table redletter.invoice_events alter column topic type varchar(3)",
        "alter table redletter.invoice_events alter column topic type text",
    ),
    "a column of replies holds less than before": (
        "alter table redletter.replies alter column name type varchar(3)",
        "alter table redletter.replies alter column name type text",
    ),
    "the server takes no writes": (f"do $$ begin {READ_ONLY} end $$", f"do $$ begin {WRITING} end $$"),
}


@pytest.mark.parametrize("trouble", BROKEN)
def test_good_commands_wait_and_are_answered_rightly_once_the_trouble_is_over(
    store: Store, database: str, trouble: str
) -> None:
    broken, mended = BROKEN[trouble]
    deciding = CommandWork(store, MOMENTS)
    run(database, broken)
    for _ in range(2):
        with pytest.raises(psycopg.Error):
            deciding.handle(many())
    run(database, mended)
    deciding.handle(many())
    assert codes(database) == ["accepted"] * MANY
    assert buried(database) == []


def test_good_commands_wait_for_a_privilege(database: str) -> None:
    run(database, "drop role if exists poor; create role poor login password 'poor'")
    run(database, "grant usage on schema redletter to poor; grant all on all tables in schema redletter to poor")
    run(database, "grant all on all sequences in schema redletter to poor")
    parts = urlsplit(database)
    store = Store(urlunsplit(parts._replace(netloc=f"poor:poor@{parts.hostname}:{parts.port}")))
    store.positions([TopicPartition(TOPIC, 0)])
    deciding = CommandWork(store, MOMENTS)
    run(database, "revoke insert on redletter.invoice_events from poor")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        deciding.handle(many())
    run(database, "grant insert on redletter.invoice_events to poor")
    deciding.handle(many())
    store.close()
    assert codes(database) == ["accepted"] * MANY
    assert buried(database) == []
    run(database, "drop owned by poor; drop role poor")


def test_a_session_that_was_opened_while_the_server_took_no_writes_is_not_kept(database: str) -> None:
    store = Store(f"{database}?target_session_attrs=any")
    store.positions([TopicPartition(TOPIC, 0)])
    broken, mended = BROKEN["the server takes no writes"]
    run(database, broken)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        CommandWork(store, MOMENTS).handle(many())
    run(database, mended)
    CommandWork(store, MOMENTS).handle(many())
    store.close()
    assert codes(database) == ["accepted"] * MANY


def test_a_conflict_that_does_not_go_away_is_not_held_against_the_command(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = store.save

    def lose(write: Write) -> Mapping[int, int]:
        """Lose with every event; a dead letter would be taken."""
        if any(isinstance(entry, EventEntry) for entry in write.entries):
            raise Conflict("a rival was faster")
        return save(write)

    with monkeypatch.context() as patched:
        patched.setattr(store, "save", lose)
        with pytest.raises(Conflict):
            CommandWork(store, MOMENTS).handle(batch(register(1)))
    assert buried(database) == []


SLOW = """
    create function public.slow() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.3); return new; end $$;
    create trigger slow before insert on redletter.invoice_events for each row execute function public.slow()
"""


def test_a_batch_that_cannot_be_written_in_its_time_is_halved(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "TRANSACTION_WITHIN", 1)
    run(database, SLOW)
    store = Store(database)
    store.positions([TopicPartition(TOPIC, 0)])
    written = writes(store, monkeypatch)
    CommandWork(store, MOMENTS).handle(many())
    store.close()
    assert codes(database) == ["accepted"] * MANY
    assert buried(database) == []
    assert len(written) > 1


def writes(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[Write]:
    written: list[Write] = []
    save = store.save

    def keep(write: Write) -> Mapping[int, int]:
        last_places = save(write)
        written.append(write)
        return last_places

    monkeypatch.setattr(store, "save", keep)
    return written


def test_a_transaction_is_bounded_in_bytes(store: Store, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = writes(store, monkeypatch)
    big = [raw(bytes(1_000_000), topic=TOPIC, offset=offset) for offset in range(20)]
    CommandWork(store, MOMENTS).handle(batch(*big))
    assert len(buried(database)) == 20
    assert len(written) == 4


def test_a_transaction_is_bounded_in_claims(store: Store, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = writes(store, monkeypatch)
    CommandWork(store, MOMENTS).handle(batch(*(with_charges(index, 1_000) for index in range(12))))
    assert codes(database) == ["accepted"] * 12
    assert max(len(write.claims) for write in written) <= loading.MAX_BATCH_CLAIMS
    assert len(written) == 4


def with_charges(index: int, count: int) -> ConsumerRecord:
    number = f"26{index:018d}"
    charges = [{"charge_id": f"{index}-{charge}", "amount": "0.10"} for charge in range(count)]
    body = REGISTER | {"invoice_number": number, "charges": charges}
    attributes = headers("RegisterInvoice", ce_id=f"id-{index}".encode())
    amounts = {"net_amount": "100.00", "tax_amount": "0.00", "total_amount": "100.00"}
    return raw(json.dumps(body | amounts).encode(), attributes, key=number.encode(), topic=TOPIC, offset=index)


NEW_TYPE = "update redletter.invoice_events set topic = 'InvoiceIssued.v99'"
NEW_VALUE = """
    update redletter.invoice_events
    set state = convert_to(regexp_replace(convert_from(state, 'UTF8'), '"kind":"[a-z]+"', '"kind":"newer"'), 'UTF8')
"""
NEW_REPLY = "update redletter.replies set name = 'CommandPostponed.v1'"
NEW_STATUS = """
    update redletter.replies
    set value = convert_to(regexp_replace(convert_from(value, 'UTF8'), '"status":"[^"]+"', '"status":"NEWER"'), 'UTF8')
"""
OF_A_NEWER_RELEASE = pytest.mark.parametrize(
    ("written", "refusal"),
    [
        (NEW_TYPE, r"InvoiceIssued\.v99"),
        (NEW_VALUE, r"InvoiceIssued\.v1 with an unknown value of kind"),
        (NEW_REPLY, r"CommandPostponed\.v1"),
        (NEW_STATUS, r"CommandAccepted\.v1 with an unknown value of status"),
    ],
    ids=["a type", "a value", "a reply", "a status in a reply"],
)


@OF_A_NEWER_RELEASE
def test_an_invoice_that_a_newer_release_has_written_to_is_left_alone(
    store: Store, database: str, written: str, refusal: str
) -> None:
    CommandWork(store, MOMENTS).handle(batch(register(1)))
    run(database, written)
    with pytest.raises(ProgramTooOld, match=refusal):
        CommandWork(store, MOMENTS).handle(batch(register(1), was=1))
    assert buried(database) == []


@OF_A_NEWER_RELEASE
async def test_a_worker_that_is_too_old_leaves_the_group_and_ends(
    addresses: Addresses, written: str, refusal: str
) -> None:
    record = register(1)
    async with AIOKafkaProducer(bootstrap_servers=addresses.kafka) as producer:
        for _ in range(2):
            await producer.send_and_wait(TOPIC, record.value, key=record.key, headers=list(record.headers), partition=0)
    store = Store(addresses.database)
    store.positions([TopicPartition(TOPIC, 0)])
    CommandWork(store, MOMENTS).handle(Batch([record], {TopicPartition(TOPIC, 0): 0}))
    store.close()
    run(addresses.database, written)
    with pytest.raises(ProgramTooOld, match=refusal):
        async with asyncio.timeout(60):
            await worker.run(addresses, clock_shift=timedelta(), policy=POLICY, calendar=MAINLAND_CHINA)
    assert await members(addresses.kafka, WORKER_GROUP) == []
    assert buried(addresses.database) == []


READ_ONLY_FOR = 5.0
"""Seconds for which the server takes no writes."""


async def test_a_running_worker_outlives_a_server_that_takes_no_writes_for_a_while(addresses: Addresses) -> None:
    async def send(indexes: range) -> None:
        async with AIOKafkaProducer(bootstrap_servers=addresses.kafka) as producer:
            for record in map(register, indexes):
                await producer.send_and_wait(TOPIC, record.value, key=record.key, headers=list(record.headers))

    async def answered(count: int) -> None:
        async with asyncio.timeout(60):
            while len(codes(addresses.database)) < count:
                await asyncio.sleep(0.1)

    work = worker.run(addresses, clock_shift=timedelta(), policy=POLICY, calendar=MAINLAND_CHINA)
    working = asyncio.create_task(work)
    await send(range(20))
    await answered(20)
    try:
        # Of sessions that are open too, as when a primary becomes a standby.
        run(addresses.database, "alter system set default_transaction_read_only = on")
        run(addresses.database, "select pg_reload_conf()")
        await send(range(20, 40))
        await asyncio.sleep(READ_ONLY_FOR)  # the length of the trouble, and no wait for anything
        assert not working.done()
        assert len(codes(addresses.database)) == 20
    finally:
        run(addresses.database, "alter system reset default_transaction_read_only")
        run(addresses.database, "select pg_reload_conf()")
    await answered(40)
    working.cancel()
    await asyncio.wait({working})
    assert codes(addresses.database) == ["accepted"] * 40
    assert buried(addresses.database) == []


def test_statements_that_the_server_has_forgotten_are_prepared_again(store: Store) -> None:
    for at in range(10):  # a statement is prepared once it has been executed a few times
        store.save(Write([], [], [Move(TOPIC, 0, was=at, next=at + 1)]))
    with store._datastore.get_connection() as connection:  # pyright: ignore[reportPrivateUsage] - its own session
        connection.pgconn.exec_(b"deallocate all")
    store.save(Write([], [], [Move(TOPIC, 0, was=10, next=11)]))
    assert store.positions([TopicPartition(TOPIC, 0)]) == {TopicPartition(TOPIC, 0): 11}


def test_a_server_that_forgets_statements_again_and_again_is_not_a_conflict(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[object] = []

    def forget(*given: object, **_: object) -> None:
        tries.append(given)
        raise InvalidSqlStatementName

    monkeypatch.setattr(store._recorder, "insert_events", forget)  # pyright: ignore[reportPrivateUsage] - where it writes
    with pytest.raises(InvalidSqlStatementName):
        store.save(Write([], [], [Move(TOPIC, 0, was=0, next=1)]))
    assert len(tries) == 2
