"""What the worker logs and counts of its decisions: names, numbers and codes only, never what a body says.

A line for each batch; for a single record only where it needs attention, or at the level debug.
"""

import logging
from collections import Counter
from collections.abc import Sequence

import prometheus_client
import structlog

from events.catalogue import COMMAND_TYPES, stored_name
from events.replies import AnyReply, CommandRefused, is_alarming
from service.log.entries import DeadLetterEntry, LogEntry, ReplyEntry
from service.worker.outcomes import RecordAnswer
from transport.metrics import SECONDS

log = structlog.get_logger(__name__)

COMMANDS = prometheus_client.Counter(
    "redletter_commands",
    "Records of the command topics, by type (- where it is not known) and outcome (accepted, a code, parked or "
    "unanswered)",
    ["command", "outcome"],
)
DECISION_SECONDS = prometheus_client.Histogram(
    "redletter_decision_seconds", "Time to load what a batch of commands needs, and to decide it", buckets=SECONDS
)
COMMIT_SECONDS = prometheus_client.Histogram(
    "redletter_commit_seconds", "Time to write a batch of decisions, to its commit", buckets=SECONDS
)


def log_batch(answers: Sequence[RecordAnswer], seconds: float) -> None:
    """Log what became of the records of one batch. seconds: from reading it until it was written."""
    outcomes: Counter[str] = Counter()
    for (type_, outcome), times in Counter(map(_kind, answers)).items():
        outcomes[outcome] += times
        COMMANDS.labels(known_name(type_), outcome).inc(times)
    log.info("batch_decided", records=len(answers), milliseconds=round(seconds * 1000, 1), **outcomes)
    for answer in answers:
        _log_trouble(answer)
    if log.is_enabled_for(logging.DEBUG):
        for answer in answers:
            _log_reply(answer)


def _outcome(answer: RecordAnswer) -> str:
    """Return the code of a refusal; ``unanswered`` is a record whose sender is not known."""
    if answer.reply is None:
        return "parked" if answer.waits else "unanswered"
    return answer.reply.code if isinstance(answer.reply, CommandRefused) else "accepted"


def _kind(answer: RecordAnswer) -> tuple[str, str]:
    return answer.reply.command_type if answer.reply else "", _outcome(answer)


def known_name(type_: str) -> str:
    """Return the name of a command's type, or ``-`` for one that its publisher made up."""
    name = stored_name(type_)
    return name.removesuffix(".v1") if name in COMMAND_TYPES else "-"


def _log_trouble(answer: RecordAnswer) -> None:
    if incident := answer.incident:
        log.error(incident.key, exc_info=incident.fault, **incident.facts)
    for entry in answer.entries:
        if isinstance(entry, DeadLetterEntry):
            log.warning(
                "dead_letter", reason=entry.reason, topic=entry.topic, partition=entry.partition, offset=entry.offset
            )
    reply = answer.reply
    if isinstance(reply, CommandRefused) and is_alarming(reply.command_type, reply.code):
        log.error("alarming_refusal", outcome=reply.code, **_facts(reply, answer.entries))


def _log_reply(answer: RecordAnswer) -> None:
    if reply := answer.reply:
        log.debug("command_decided", outcome=_outcome(answer), **_facts(reply, answer.entries))


def _facts(reply: AnyReply, entries: Sequence[LogEntry]) -> dict[str, str | int | None]:
    return {
        "command": reply.command_type,
        "command_id": reply.command_id,
        "invoice": reply.invoice_number,
        "version": reply.invoice_version,
        "correlation_id": next(entry.trace.correlation for entry in entries if isinstance(entry, ReplyEntry)),
    }
