"""The faults of `make drill-alerts`: how each is injected and repaired, and what names it."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import psutil

from events.catalogue import json_of, name_of
from events.commands import AnyCommand
from events.topics import Channel
from rules.calendar import MAINLAND_CHINA
from tests.service.support import orders
from transport.clients import postgres
from transport.clients.kafka import make_producer, running

PROGRAM = Path(sys.executable).parent / "redletter"
ROLES = ("worker", "relay", "projector", "clock", "api")
CALENDAR = {"version": "drill", "off": [f"{MAINLAND_CHINA.known_until.year + 1}-01-01"], "working": []}
"""With it the calendar does not end while the drill runs, whenever that is."""


class Running(NamedTuple):
    """A system that is up. environment: in which every command of the program finds it.

    later_api: a port where an api whose clock is ahead may run. health: the address of each role's own server.
    until_repaired: what is undone when the faults of a round are repaired.
    """

    environment: dict[str, str]
    api: str
    later_api: int
    health: dict[str, str]
    until_repaired: ExitStack

    @property
    def log(self) -> str:
        """The database of the log."""
        return self.environment["REDLETTER_DATABASE_URL"]

    @property
    def read_models(self) -> str:
        """The database of the read models."""
        return self.environment["REDLETTER_READ_DATABASE_URL"]

    def processes(self, *words: str) -> list[psutil.Process]:
        """Return the processes of this system whose command lines have one of these words."""
        children = psutil.Process().children(recursive=True)
        return [child for child in children if any(word in " ".join(child.cmdline()) for word in words)]

    def check(self) -> str:
        """Return what `redletter check` says."""
        return self.redletter("check")

    def redletter(self, *arguments: str, given: str = "") -> str:
        """Run a command, and return all that it says."""
        try:
            done = subprocess.run(
                [PROGRAM, *arguments],
                env=self.environment,
                input=given,
                capture_output=True,
                text=True,
                check=False,
                timeout=40,
            )
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout + done.stderr


Do = Callable[[Running], object]


class Fault(NamedTuple):
    """A fault, what names it, and how it is ended.

    alert: without its prefix. label: a value that one of its labels must have. check: what `redletter check` says.
    """

    what: str
    inject: Do
    repair: Do
    alert: str
    check: str
    label: str = ""


def on_log(*statements: str) -> Do:
    """Return what runs SQL on the database of the log."""
    return lambda system: _execute(system.log, statements)


def on_read_models(*statements: str) -> Do:
    """Return what runs SQL on the database of the read models."""
    return lambda system: _execute(system.read_models, statements)


def _execute(database: str, statements: Sequence[str]) -> None:
    with postgres.connect(database, "drill") as connection:
        for statement in statements:
            connection.execute(statement.encode())


def nothing(_: Running) -> None:
    """Repair what ends with the round, or may stay."""


def send_signal(number: signal.Signals, *words: str) -> Do:
    """Return what sends a signal to processes."""

    def signalled(system: Running) -> None:
        for process in system.processes(*words):
            process.send_signal(number)

    return signalled


def frozen(what: str, alert: str, check: str, words: str, label: str = "") -> Fault:
    """Return the fault of processes that stand still."""
    return Fault(what, send_signal(signal.SIGSTOP, words), send_signal(signal.SIGCONT, words), alert, check, label)


def send(*commands: AnyCommand, wait: bool = True) -> Do:
    """Return what sends commands."""
    lines = [
        json.dumps({"type": name_of(type(one)).removesuffix(".v1"), "data": json.loads(json_of(one))})
        for one in commands
    ]
    return lambda system: system.redletter("send", "--wait", "30" if wait else "0", "-", given="\n".join(lines))


def lock(table: str, database: Callable[[Running], str], *then: Do) -> Do:
    """Return what lets nobody write to a table until all is repaired, and then does something else."""

    def locked(system: Running) -> None:
        connection = system.until_repaired.enter_context(postgres.connect(database(system), "drill", autocommit=False))
        connection.execute(f"lock table {table} in exclusive mode".encode())
        for one in then:
            one(system)

    return locked


def in_order(*steps: Do) -> Do:
    """Return what does several things."""

    def done(system: Running) -> None:
        for step in steps:
            step(system)

    return done


def publish(topic: str, value: bytes) -> Do:
    """Return what publishes a record that nobody checks before."""

    async def publish_in(kafka: str) -> None:
        async with running(make_producer(kafka, "drill")) as producer:
            await producer.send_and_wait(topic, value, b"26000000000000000001")

    return lambda system: asyncio.run(publish_in(system.environment["REDLETTER_KAFKA_BOOTSTRAP_SERVERS"]))


def refuse_connections(database: Callable[[Running], str]) -> Do:
    """Return what closes a database to everybody."""
    return lambda system: _allow_connections(database(system), allowed=False)


def accept_connections(database: Callable[[Running], str]) -> Do:
    """Return what opens it again."""
    return lambda system: _allow_connections(database(system), allowed=True)


def _allow_connections(database: str, *, allowed: bool) -> None:
    server, _, name = database.rpartition("/")
    _execute(
        f"{server}/template1",
        (
            f'alter database "{name}" allow_connections {str(allowed).lower()}',
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'",
        ),
    )


def start_later_api(system: Running) -> None:
    """Start an api that lives 30 days before the calendar ends; `redletter check` then lives at that time too."""
    shift = (MAINLAND_CHINA.known_until.replace(year=MAINLAND_CHINA.known_until.year + 1)) - datetime.now(UTC).date()
    system.environment["REDLETTER_CLOCK_SHIFT"] = f"P{(shift - timedelta(days=30)).days}D"
    api = subprocess.Popen(
        [PROGRAM, "api"],
        env=system.environment | {"REDLETTER_API_PORT": str(system.later_api)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def end() -> None:
        del system.environment["REDLETTER_CLOCK_SHIFT"]
        api.terminate()
        api.wait(30)

    system.until_repaired.callback(end)


_TIMER = """
    insert into redletter.timers (id, partition, name, invoice_number, body, due_at, causation_id, correlation_id,
        attempt, opened_at)
    values ('drill-{attempt}', 100, 'IssueCreditNote.v1', '26000000000000000001', '', now() + interval '1 day', '', '',
        {attempt}, now() - interval '2 hours')
"""
_RETURN = """
    insert into projections.returns (account_id, invoice_number, return_id, phase, requested_at, due_latest, overdue,
        attempts, route, failure) values ('drill', '2600000000000000000{digit}', 'drill', 'opening_form', now(),
        now() + interval '{due} days', {due} < 0, 0, 'simple', {failure})
"""
_TAKE_LAST_REPLY = """
    create table redletter.drill as select r.* from redletter.replies as r join redletter.log_partitions as l
        on l.partition = r.partition and l.last_place = r.place limit 1;
    delete from redletter.replies as r using redletter.drill as d where (r.partition, r.place) = (d.partition, d.place)
"""
_PUT_LAST_REPLY_BACK = "insert into redletter.replies select * from redletter.drill; drop table redletter.drill"
_NUMBERS = [f"26{index:018}" for index in range(1, 9)]


def _all_at_once() -> Sequence[Fault]:
    """Return faults that do not hide each other."""
    return [
        Fault(
            "a read model stops on a partition",
            on_read_models(
                "insert into projections.stopped (model, topic, partition, next, why)"
                " values ('forms', 'invoice.events', 2, 0, 'drill')"
            ),
            on_read_models("delete from projections.stopped"),
            "ReadModelStopped",
            "READ_MODEL_STOPPED: forms",
            "forms",
        ),
        Fault(
            "a read model cannot fold an event",
            on_read_models(
                "insert into projections.parked (model, invoice_number, topic, partition, record_offset, version, why)"
                " values ('details', '26000000000000000001', 'invoice.events', 0, 7, 5, 'drill')"
            ),
            on_read_models("delete from projections.parked"),
            "InvoicesOutOfDate",
            "INVOICES_OUT_OF_DATE: details",
            "details",
        ),
        Fault(
            "a command cannot be decided",
            on_log(
                "insert into redletter.parked_invoices (invoice_number, error, last_turn, last_place, commands, bytes)"
                " values ('26000000000000000009', 'drill', 1, 1, 1, 1)"
            ),
            on_log("delete from redletter.parked_invoices"),
            "InvoicesParked",
            "INVOICES_PARKED",
        ),
        Fault(
            "a return is overdue",
            on_read_models(_RETURN.format(digit=1, due=-3, failure="null")),
            on_read_models("delete from projections.returns where due_latest < now()"),
            "ReturnsOverdue",
            "overdue; the most urgent",
        ),
        Fault(
            "the tax platform refuses a credit note",
            on_read_models(_RETURN.format(digit=2, due=3, failure="'PLATFORM_BUSY'")),
            on_read_models("delete from projections.returns where failure is not null"),
            "ReturnsFailing",
            "failing; the most urgent",
        ),
        Fault(
            "the tax side does not answer",
            on_log(_TIMER.format(attempt=3)),
            on_log("delete from redletter.timers where id = 'drill-3'"),
            "TaxSideSilent",
            "repeated and not answered",
        ),
        Fault(
            "a tax request is not sent",
            on_log(_TIMER.format(attempt=0)),
            on_log("delete from redletter.timers where id = 'drill-0'"),
            "TaxRequestsNotSent",
            "to be sent, the oldest",
        ),
        Fault(
            "a publisher sends what is no command",
            publish(Channel.BILLING.value, b"{"),
            lambda system: system.redletter("dead-letters", "discard", "--all", "--yes", "--because", "drill"),
            "DeadLettersWaiting",
            "could not be read: ",
        ),
        Fault(
            "a credit note comes for an invoice that is not being returned",
            send(orders.register(_NUMBERS[0], charges=["d1"]), orders.credit(_NUMBERS[0])),
            nothing,
            "AlarmingRefusal",
            "refused with NO_RETURN_IN_PROGRESS",
        ),
        Fault(
            "retention deletes what was not read",
            on_read_models(
                "update redletter.positions set gone = 7 where consumer = 'redletter.projector.dead-letters'"
            ),
            on_read_models("update redletter.positions set gone = 0"),
            "RecordsGone",
            "RECORDS_GONE: redletter.projector.dead-letters",
            "redletter.projector.dead-letters",
        ),
        Fault("the calendar of business days ends", start_later_api, nothing, "CalendarEnds", "CALENDAR_ENDS"),
    ]


def _behind() -> Sequence[Fault]:
    """Return the faults of consumers that wait for a lock of somebody else."""
    return [
        Fault(
            "the projector waits for a lock",
            lock("projections.history", lambda system: system.read_models),
            nothing,
            "ConsumerBehind",
            "redletter.projector is",
            "redletter.projector",
        ),
        Fault(
            "the clock waits for a lock",
            lock(
                "redletter.clock_returns",
                lambda system: system.log,
                send(orders.register(_NUMBERS[1], charges=["d2"], kind="general"), orders.ask_simply(_NUMBERS[1])),
            ),
            nothing,
            "ConsumerBehind",
            "redletter.clock is",
            "redletter.clock",
        ),
        Fault(
            "the worker waits for a lock",
            lock(
                "redletter.claims",
                lambda system: system.log,
                send(orders.register(_NUMBERS[2], charges=["d3"]), wait=False),
            ),
            nothing,
            "ConsumerBehind",
            "redletter.worker is",
            "redletter.worker",
        ),
    ]


def rounds() -> Sequence[Sequence[Fault]]:
    """Return the faults that are injected together, round by round."""
    billing = Channel.BILLING.value
    kill_worker = send_signal(signal.SIGKILL, "redletter worker")
    beyond = (
        f"update redletter.positions set next = next + 1000 where consumer = 'redletter.worker' and topic = '{billing}'"
    )
    return [
        _all_at_once(),
        _behind(),
        [
            Fault(
                "the log lacks what was published last",
                on_log(_TAKE_LAST_REPLY),
                on_log(_PUT_LAST_REPLY_BACK),
                "LogDiffers",
                "LOG_DIFFERS",
            ),
            Fault(
                "positions lie beyond the end of a topic",
                in_order(kill_worker, on_log(beyond)),
                in_order(
                    on_log(
                        f"{beyond.replace('+', '-')} and unread is not null",
                        "update redletter.positions set unread = null",
                    ),
                    kill_worker,
                ),
                "PartitionNotRead",
                "PARTITION_NOT_READ: redletter.worker",
                "redletter.worker",
            ),
        ],
        [
            Fault(
                "every batch of commands fails",
                in_order(
                    on_log("alter table redletter.claims rename to claims_away"),
                    send(orders.register(_NUMBERS[3], charges=["d4"]), wait=False),
                ),
                on_log("alter table redletter.claims_away rename to claims"),
                "BatchesFail",
                "redletter.worker is",
                "redletter.worker",
            )
        ],
        [
            frozen("a worker is frozen", "RoleDown", "No worker is running", "redletter worker", "worker"),
            frozen("a projector is frozen", "RoleDown", "No projector is running", "redletter projector", "projector"),
            frozen("a clock is frozen", "RoleDown", "No clock is running", "redletter clock", "clock"),
        ],
        [
            frozen("a relay is frozen", "RoleDown", "No relay is running", "redletter relay", "relay"),
            Fault(
                "a reply is not published",
                send(orders.register(_NUMBERS[4], charges=["d5"]), wait=False),
                nothing,
                "LogUnpublished",
                "LOG_UNPUBLISHED",
            ),
        ],
        [frozen("the api is frozen", "SystemUnobserved", "API_NOT_READY", "redletter api")],
        [
            Fault(
                "PostgreSQL takes no writes, as after a failover to a standby",
                in_order(
                    on_log("alter system set default_transaction_read_only = on", "select pg_reload_conf()"),
                    send(orders.register(_NUMBERS[5], charges=["d6"]), wait=False),
                ),
                lambda system: _execute(
                    f"{system.log}?options=-c%20default_transaction_read_only%3Doff",
                    ("alter system reset default_transaction_read_only", "select pg_reload_conf()"),
                ),
                "BatchesFail",
                "PostgreSQL",
                "redletter.worker",
            )
        ],
        [
            Fault(
                "the database of the log refuses connections",
                refuse_connections(lambda system: system.log),
                accept_connections(lambda system: system.log),
                "ServerAway",
                "PostgreSQL",
                "database",
            )
        ],
        [
            Fault(
                "the database of the read models refuses connections",
                refuse_connections(lambda system: system.read_models),
                accept_connections(lambda system: system.read_models),
                "ServerAway",
                "PostgreSQL",
                "read_database",
            )
        ],
        [frozen("Kafka is frozen", "ServerAway", "Kafka", "kafka.Kafka", "kafka")],
        [frozen("PostgreSQL is frozen", "ServerAway", "PostgreSQL", "postgres", "read_database")],
    ]
