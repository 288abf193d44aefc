"""The state of the work in the read models: returns by phase, those that need attention, replies, dead letters."""

from datetime import datetime
from typing import LiteralString, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, class_row

from events.catalogue import TAX_REQUEST_TYPES
from events.replies import is_alarming
from events.values import AccountId, InvoiceNumber, Message, Phase, ReturnId, Time
from projections.dead_letters.queries import DeadLetter, newest_letters

_OPEN: LiteralString = """
    select account_id, invoice_number, return_id, phase, requested_at, due_latest, overdue, attempts, failure, retry_at
    from projections.returns where complete_at is null and ended_at is null
"""
_FIRST_DUE: LiteralString = " order by due_latest limit 100"
_OVERDUE = _OPEN + " and due_latest < %(now)s" + _FIRST_DUE
_NEAR_DUE = _OPEN + " and due_latest >= %(now)s and due_latest < %(now)s + interval '24 hours'" + _FIRST_DUE
_FAILING = _OPEN + " and failure is not null" + _FIRST_DUE
_PHASES = """
    select phase, count(*), count(*) filter (where overdue),
        count(*) filter (where due_latest >= %(now)s and due_latest < %(now)s + interval '24 hours'),
        count(*) filter (where failure is not null)
    from projections.returns where complete_at is null and ended_at is null group by phase order by phase
"""
_AGES = """
    select phase, least(extract(day from %(now)s - requested_at)::int, 4), count(*) from projections.returns
    where complete_at is null and ended_at is null group by 1, 2 order by 1, 2
"""
_ANSWERS = "select command_type, answer, times, last_at from projections.reply_counts order by command_type, answer"
_COUNT_DEAD_LETTERS = """
    select reason, count(*), count(*) filter (where h.outcome is null)
    from projections.dead_letters
    left join projections.handled_dead_letters as h using (topic, partition, record_offset)
    group by reason order by reason
"""
_REQUESTS = """
    select name, case attempt when 0 then 'unsent' when 1 then 'sent' else 'repeated' end as state, count(*),
        extract(epoch from now() - min(opened_at))::float8, min(due_at)
    from redletter.timers where name = any(%(names)s) group by name, state order by name, state
"""
_BLOCKED = """
    select f.number, f.invoice_number, count(distinct r.invoice_number)
    from (
        select reply::jsonb -> 'details' ->> 'form_number' as number,
            reply::jsonb ->> 'invoice_number' as invoice_number
        from projections.replies
        where replied_at > now() - interval '1 hour' and reply like '%RED_FONT_FORM_ALREADY_USED%'
    ) as r
    join projections.forms as f on f.number = r.number and f.active and f.invoice_number <> r.invoice_number
    join projections.returns as o on o.invoice_number = f.invoice_number and o.phase = 'verifying_form'
    where o.complete_at is null and o.ended_at is null
    group by f.number, f.invoice_number order by f.number
"""
_MAX_DEAD_LETTERS = 100


class OpenReturn(Message):
    """A return that is not complete."""

    account_id: AccountId
    invoice_number: InvoiceNumber
    return_id: ReturnId
    phase: Phase
    requested_at: Time
    due_latest: Time
    overdue: bool
    attempts: int
    failure: str | None = None
    retry_at: Time | None = None


class Answers(NamedTuple):
    """How often a command got an answer: ACCEPTED, or a code."""

    command_type: str
    answer: str
    times: int
    last_at: datetime

    @property
    def alarming(self) -> bool:
        """Whether it needs attention."""
        return is_alarming(self.command_type, self.answer)


class Phases(NamedTuple):
    """Open returns in a phase, and how many of them are overdue, due within 24 hours, or failing at the tax side."""

    phase: str
    returns: int
    overdue: int
    near_due: int
    failing: int


class Ages(NamedTuple):
    """Open returns in a phase that were requested so many whole days ago; 4 stands for four or more."""

    phase: str
    days: int
    returns: int


class LetterCount(NamedTuple):
    """Dead letters of a reason, and how many of them were neither replayed nor discarded."""

    reason: str
    letters: int
    waiting: int


class Requests(NamedTuple):
    """Unanswered tax requests of a type, for how many seconds the oldest has been open, and when the next is sent.

    state: ``unsent``, ``sent`` (once) or ``repeated``.
    """

    name: str
    state: str
    requests: int
    seconds: float
    next_try: datetime


class BlockingForm(NamedTuple):
    """A form and the invoice whose return holds it. refused: returns of others, because of it, within the last hour."""

    number: str
    holder: str
    refused: int


class Counts(NamedTuple):
    """How much there is of everything in the read models."""

    phases: list[Phases]
    answers: list[Answers]
    letter_counts: list[LetterCount]


class Board(NamedTuple):
    """Everything that the board shows of the read models. dead_letters: the newest."""

    overdue: list[OpenReturn]
    near_due: list[OpenReturn]
    failing: list[OpenReturn]
    phases: list[Phases]
    answers: list[Answers]
    dead_letters: list[DeadLetter]
    letter_counts: list[LetterCount]


async def board(connection: AsyncConnection[TupleRow], now: datetime) -> Board:
    """Return the board at a moment."""

    async def returns(query: LiteralString) -> list[OpenReturn]:
        async with connection.cursor(row_factory=class_row(OpenReturn)) as cur:
            return await (await cur.execute(query, {"now": now})).fetchall()

    counted = await counts(connection, now)
    return Board(
        overdue=await returns(_OVERDUE),
        near_due=await returns(_NEAR_DUE),
        failing=await returns(_FAILING),
        phases=counted.phases,
        answers=counted.answers,
        dead_letters=await newest_letters(connection, _MAX_DEAD_LETTERS),
        letter_counts=counted.letter_counts,
    )


async def counts(connection: AsyncConnection[TupleRow], now: datetime) -> Counts:
    """Count returns, replies and dead letters at a moment."""

    async def rows(query: LiteralString, **parameters: object) -> list[TupleRow]:
        return await (await connection.execute(query, parameters)).fetchall()

    return Counts(
        phases=[Phases(*row) for row in await rows(_PHASES, now=now)],
        answers=[Answers(*row) for row in await rows(_ANSWERS)],
        letter_counts=[LetterCount(*row) for row in await rows(_COUNT_DEAD_LETTERS)],
    )


async def requests(log: AsyncConnection[TupleRow]) -> list[Requests]:
    """Count tax requests, which are kept beside the log."""
    cur = await log.execute(_REQUESTS, {"names": list(TAX_REQUEST_TYPES)})
    return [Requests(*row) for row in await cur.fetchall()]


async def blocking_forms(connection: AsyncConnection[TupleRow]) -> list[BlockingForm]:
    """Return the forms that a return has named and the tax system not confirmed yet, and that hold up others."""
    return [BlockingForm(*row) for row in await (await connection.execute(_BLOCKED)).fetchall()]


async def ages(connection: AsyncConnection[TupleRow], now: datetime) -> list[Ages]:
    """Return the open returns by phase and age."""
    return [Ages(*row) for row in await (await connection.execute(_AGES, {"now": now})).fetchall()]
