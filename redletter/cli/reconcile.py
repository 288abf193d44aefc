"""`reconcile`: rebuild what PostgreSQL lacks of what was published, after it came back older than Kafka."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from local import terminal
from redletter.cli.exits import FAILED, exit_with
from redletter.cli.servers import (
    check_servers_answer,
    read_settings,
    server_addresses,
    server_errors_end_the_command,
)
from rules.quantities import counted

if TYPE_CHECKING:
    from service.log.entries import LogEntry
    from service.reconcile.loss import Loss
    from service.reconcile.rebuilding import Disputed, Rebuilt
    from service.worker.moments import Moments
    from transport.addresses import Addresses

reconcile_commands = typer.Typer()


@reconcile_commands.command()
def reconcile(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is missing, and change nothing.")] = False,
) -> None:
    """Rebuild from the topics what a restored PostgreSQL lacks.

    For a PostgreSQL that failed over without its last commits, or was restored from a backup, once the newer copy is
    gone for good: `redletter check` says LOG_DIFFERS. Events, replies, dead letters, claims, parked commands and the
    worker's positions are rebuilt from the topics, in one transaction: if it is interrupted, run it again. Stop the
    projector before PostgreSQL is back, and start it afterwards; the other roles may run, they wait and continue by
    themselves. Where the read models have a database of their own, run it too when that one alone came back older: no
    status document is then published that is older than the last. Exits 1 if it cannot be done.
    """
    import asyncio

    from redletter import logs
    from redletter.roles import sealing_of
    from service.reconcile.loss import fence_relays, find_loss
    from service.reconcile.published import CannotRebuild
    from service.reconcile.rebuilding import rebuild_log
    from service.store.newer_releases import ProgramTooOld
    from transport.clients.postgres import connect

    logs.configure("error")
    addresses = server_addresses(read_settings())
    with server_errors_end_the_command():
        check_servers_answer(addresses)
        with connect(addresses.database, "reconcile") as connection, terminal.reading_progress() as progress:
            try:
                loss = asyncio.run(find_loss(connection, addresses.kafka, progress))
                if loss.entries and not dry_run:
                    asyncio.run(fence_relays(addresses.kafka, len(loss.last_places)))
                    loss = asyncio.run(find_loss(connection, addresses.kafka, progress))
                _describe(loss)
                if (loss.entries or addresses.read_models) and not dry_run:
                    _hold_status_back(addresses.of_read_side(), loss.last_places)
                if loss.entries and not dry_run:
                    _conclude(rebuild_log(connection, loss, _moments(), _warn, sealing_of(read_settings())))
            except (CannotRebuild, ProgramTooOld) as error:
                exit_with(str(error), FAILED)


def _moments() -> "Moments":
    from redletter.roles import policy_of
    from service.worker.moments import Moments

    settings = read_settings()
    return Moments(settings.clock_shift, settings.calendar(), policy_of(settings))


def _hold_status_back(read_side: "Addresses", partitions: "Iterable[int]") -> None:
    """Let no older status document be published while the read models, which came back older too, catch up."""
    import asyncio

    from aiokafka import TopicPartition

    from events.names import event_id, projector_group
    from events.topics import EVENTS_TOPIC
    from projections.publication.outbox import HeldBack, hold_back
    from service.reconcile.published import newest_events
    from transport import positions
    from transport.clients.postgres import connect

    with (
        connect(read_side.database, "reconcile") as connection,
        connection.cursor() as cur,
        terminal.reading_progress() as progress,
    ):
        offsets = {TopicPartition(EVENTS_TOPIC, partition): 0 for partition in partitions}
        offsets |= positions.of_topic(cur, projector_group("status"), EVENTS_TOPIC)
        newest = asyncio.run(newest_events(read_side.kafka, offsets, progress))
        held = [
            HeldBack(number, last.version, partition, last.occurred_at, event_id(number, last.version), *last.trace[1:])
            for number, (partition, last) in newest.items()
        ]
        if held:
            hold_back(cur, held)


def _describe(loss: "Loss") -> None:
    if not loss.entries:
        terminal.print_line("the log holds all that was published of it: there is nothing to rebuild")
    for partition, end in loss.ends.items():
        kinds = _kinds(one.entry for one in loss.entries if one.partition == partition)
        last = loss.last_places[partition]
        lost = counted(end.place - last, "entry", "entries")
        terminal.print_line(f"partition {partition}: lacks {lost} behind place {last}: {kinds}")


def _kinds(entries: "Iterable[LogEntry]") -> str:
    counts = Counter(type(entry).__name__ for entry in entries)
    words = {
        "EventEntry": "events",
        "ReplyEntry": "replies",
        "DeadLetterEntry": "dead letters",
        "NoticeEntry": "notices",
    }
    return ", ".join(f"{counts[kind]} {word}" for kind, word in words.items() if counts[kind])


def _conclude(rebuilt: "Rebuilt") -> None:
    entries = counted(rebuilt.entries, "entry", "entries")
    terminal.print_line(f"rebuilt {entries}; everything continues by itself within 10 s")
    if rebuilt.decided:
        decided = counted(rebuilt.decided, "command", "commands")
        terminal.print_line(f"decided {decided} again whose answers were lost before anyone saw them")


def _warn(disputed: "Sequence[Disputed]") -> None:
    for claim, holder, other in disputed:
        terminal.print_to_stderr(
            f"{claim.kind} {claim.key} is held by {holder.invoice_number} after this; {other.invoice_number} had it "
            "before, and the event by which it let go was lost"
        )
