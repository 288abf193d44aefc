"""The steps that the worker takes on commands: it decides them, and commits what came of it."""

from collections.abc import Iterator, Sequence

from service.log.entries import ReplyEntry
from service.worker.batch_logging import known_name
from service.worker.outcomes import RecordAnswer
from transport import spans
from transport.spans import Step


def record_batch(answers: Sequence[RecordAnswer], begun: int, decided: int) -> None:
    """Record the steps of a batch that has just been committed. begun, decided: `time.time_ns`."""
    if spans.are_collected():
        decisions = list(_decisions(answers))
        spans.record(decisions, begun, decided)
        spans.record((one._replace(verb="commit", after=("decide", one.id)) for one in decisions), decided)


def _decisions(answers: Sequence[RecordAnswer]) -> Iterator[Step]:
    for answer in answers:
        if answer.reply:
            (trace,) = (entry.trace for entry in answer.entries if isinstance(entry, ReplyEntry))
            yield Step("decide", known_name(answer.reply.command_type), answer.reply.command_id, trace.traceparent)
