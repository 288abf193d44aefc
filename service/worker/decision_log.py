"""What the worker logs of its decisions: names, numbers and codes only, never what a body says."""

import structlog

from events.replies import AnyReply, CommandAccepted, CommandRefused, is_alarming
from service.log.entries import DeadLetterEntry, ReplyEntry
from service.worker.replies import RecordAnswer

log = structlog.get_logger(__name__)


def log_answer(answer: RecordAnswer) -> None:
    """Log what became of one record."""
    if incident := answer.incident:
        log.error(incident.key, exc_info=incident.fault, **incident.facts)
    for entry in answer.entries:
        if isinstance(entry, DeadLetterEntry):
            log.warning(
                "dead_letter", reason=entry.reason, topic=entry.topic, partition=entry.partition, offset=entry.offset
            )
        elif isinstance(entry, ReplyEntry) and answer.reply is not None:
            _log_reply(answer.reply, entry.trace.correlation)


def _log_reply(reply: AnyReply, correlation: str) -> None:
    log.info(
        "accepted" if isinstance(reply, CommandAccepted) else reply.code,
        command=reply.command_type,
        command_id=reply.command_id,
        invoice=reply.invoice_number,
        version=reply.invoice_version,
        correlation_id=correlation,
    )
    if isinstance(reply, CommandRefused) and is_alarming(reply.command_type, reply.code):
        log.error("alarming_refusal", why=reply.code, command=reply.command_type, invoice=reply.invoice_number)
