"""What needs attention now, and the next step for each: what `redletter check` prints."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from aiokafka.errors import KafkaError

from redletter.api_client import Api, QueryFailed, degraded_because
from redletter.kafka_rights import excess
from redletter.shown_times import shown_time
from rules.calendar import MainlandChina
from rules.quantities import counted
from transport.acls import topic_acls
from transport.addresses import Addresses
from transport.clients.kafka import KafkaAdmin, admin
from transport.clients.postgres import connect_async, connect_reading_async
from web.console.labels import NEXT_STEP
from web.operations import lag, queries
from web.operations.condition import Reason, condition, log_condition
from web.operations.lag import Lag, Position
from web.operations.parts import LATE_SECONDS
from web.operations.queries import BlockingForm, Board, Requests
from web.operations.readiness import Watch

_UNSENT_SECONDS = 60.0
_SILENCE_SECONDS = 3600.0
"""How long a tax request may wait for an answer: the first repeats are routine."""
_ALARMS_WITHIN = timedelta(days=1)
"""Refusals that need attention are counted for ever; only recent ones are news."""

FINDING_KINDS: Mapping[str, str] = {
    "READ_MODEL_STOPPED": "stopped",
    "INVOICES_OUT_OF_DATE": "parked",
    "INVOICES_PARKED": "parked",
    "LOG_DIFFERS": "stopped",
    "LOG_AWAY": "stopped",
    "LOG_UNPUBLISHED": "stuck",
    "PARTITION_NOT_READ": "stopped",
    "RECORDS_GONE": "late",
    "ROLE_MISSING": "stopped",
    "NOT_LISTENING": "stopped",
    "CALENDAR_ENDS": "late",
}
"""The kind of finding, by code of a reason why the system is degraded."""


class Finding(NamedTuple):
    """Something that needs attention. kind: late, stuck, stopped, parked, failing or open."""

    kind: str
    what: str
    next_step: str

    @property
    def is_a_failure(self) -> bool:
        """Return whether something is wrong for sure: that somebody unknown to us may write can be meant."""
        return self.kind != "open"


FINDING_COLUMNS = ("", "what", "next step")


def findings(
    addresses: Addresses, calendar: MainlandChina, clock_shift: timedelta, api: Api | None = None
) -> list[Finding]:
    """Return everything that needs attention. api: is asked too, if given. Raises: psycopg.Error, KafkaError."""

    async def find() -> list[Finding]:
        found, of_api = await asyncio.gather(
            _find(addresses, calendar, datetime.now(UTC) + clock_shift), asyncio.to_thread(_of_api, api)
        )
        return [*found, *of_api]

    return asyncio.run(find())


def _of_api(api: Api | None) -> list[Finding]:
    """Return what the api alone can say: whether it answers, and what it does not receive."""
    if api is None:
        return []
    try:
        reasons = degraded_because(api)
    except QueryFailed as error:
        return [Finding("stopped", f"API_NOT_READY: {error}", NEXT_STEP["API_NOT_READY"])]
    return list(_degraded([Reason(code=code, detail=why) for code, why in reasons.items() if code == "NOT_LISTENING"]))


async def _find(addresses: Addresses, calendar: MainlandChina, now: datetime) -> list[Finding]:
    async with (
        await connect_async(addresses.database, "check") as log,
        await connect_reading_async(addresses.of_read_side().database, "check") as read_models,
    ):

        async def positions() -> list[Position]:
            return [*await lag.positions_on_log(log), *await lag.positions_on_read_models(read_models)]

        behind = await lag.lags(addresses.kafka, positions)
        known = await condition(read_models, await log_condition(log))
        reasons = await Watch(addresses.kafka, calendar, {}).look(known, now)
        board = await queries.board(read_models, now)
        requests = await queries.requests(log)
        blocking = await queries.blocking_forms(read_models)
    async with admin(addresses.kafka, "check") as client:
        opened = await unneeded_rights(client)
    return [
        *opened,
        *_blocking(blocking),
        *_degraded(reasons),
        *_late(behind),
        *_returns(board),
        *_requests(requests),
        *_records(board, now),
    ]


async def unneeded_rights(client: KafkaAdmin) -> list[Finding]:
    """Return who may write or change a topic of ours without need, where Kafka refuses anybody; or why nobody knows."""
    try:
        found = excess(await topic_acls(client) or ())
    except (KafkaError, NotImplementedError) as error:
        unknown = f"who may write to our topics is not known: {error!r}"
        return [Finding("open", unknown, "redletter acls shows what an operator has to be allowed")]
    step = "take it away, with Kafka's own tool; redletter acls shows what everybody needs"
    return [
        Finding("open", f"User:{user} may write or change {', '.join(topics)}", step) for user, topics in found.items()
    ]


def _degraded(reasons: Sequence[Reason]) -> Iterator[Finding]:
    for reason in reasons:
        yield Finding(FINDING_KINDS[reason.code], f"{reason.code}: {reason.detail}", NEXT_STEP[reason.code])


def _late(behind: Sequence[Lag]) -> Iterator[Finding]:
    for one in behind:
        if one.seconds > LATE_SECONDS:
            messages = counted(one.messages, "message", "messages")
            what = f"{one.consumer} is {messages} and {one.seconds:.0f} s behind"
            yield Finding("late", what, NEXT_STEP["BEHIND"])


def _returns(board: Board) -> Iterator[Finding]:
    for kind, found, what in (("late", board.overdue, "overdue"), ("failing", board.failing, "failing")):
        if found:
            first = found[0]
            said = f", {first.failure}" if first.failure else ""
            returns = counted(len(found), "return is", "returns are")
            yield Finding(
                kind,
                f"{returns} {what}; the most urgent: {first.invoice_number}, {first.phase}{said}",
                f"redletter why {first.invoice_number}; ask whoever runs the tax connector",
            )


def _requests(requests: Sequence[Requests]) -> Iterator[Finding]:
    for one in requests:
        name, minutes, hours = one.name.removesuffix(".v1"), one.seconds / 60, one.seconds / 3600
        if one.state == "unsent" and one.seconds > _UNSENT_SECONDS:
            waiting = counted(one.requests, f"{name} waits", f"{name} wait")
            what = f"{waiting} to be sent, the oldest for {minutes:.0f} min"
            yield Finding("stuck", what, "read the logs of the clock")
        if one.state == "repeated" and one.seconds > _SILENCE_SECONDS:
            repeated = counted(one.requests, f"{name} is", f"{name} are")
            what = f"{repeated} repeated and not answered, the oldest for {hours:.0f} h"
            yield Finding("late", what, "ask whoever runs the tax connector")


def _blocking(forms: Sequence[BlockingForm]) -> Iterator[Finding]:
    for form in forms:
        what = (
            f"the return of {form.holder} has claimed form {form.number}, which the tax system has not confirmed, and"
            f" {counted(form.refused, 'other return was', 'other returns were')} refused in the last hour because of it"
        )
        step = (
            f"redletter why {form.holder}; the form is free again once the tax connector says that it is not that"
            " invoice's"
        )
        yield Finding("stuck", what, step)


def _records(board: Board, now: datetime) -> Iterator[Finding]:
    for count in board.letter_counts:
        if count.waiting:
            step = f"redletter dead-letters list --waiting --reason {count.reason}; then replay or discard them"
            records = counted(count.waiting, "record", "records")
            yield Finding("stuck", f"{records} could not be read: {count.reason}", step)
    for answer in board.answers:
        if answer.alarming and answer.last_at > now - _ALARMS_WITHIN:
            what = f"{answer.command_type} refused with {answer.answer}, last at {shown_time(answer.last_at)}"
            yield Finding("failing", what, "find out what its sender means: such a refusal should not occur")
