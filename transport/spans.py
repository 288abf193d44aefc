"""Which steps were taken on which messages, for whoever collects traces.

A step is recorded once it is done, from what its message carries. The id of its span is derived from the step and from
the message's id: the next step derives its parent's in the same way, so ``traceparent`` travels unchanged. While nobody
collects, recording costs one comparison for a batch.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import NamedTuple

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""Source: W3C Trace Context, section 3.2."""
_SAMPLED = 1
_NO_SPAN = f"{0:016x}"


class Context(NamedTuple):
    """A W3C trace context: the ids of a trace and of a span in hexadecimal digits. span: zeros where there is none."""

    trace: str
    span: str
    sampled: bool

    @property
    def header(self) -> str:
        """The context as ``traceparent``."""
        return f"00-{self.trace}-{self.span}-{_SAMPLED if self.sampled else 0:02x}"


class Step(NamedTuple):
    """What was done to a message.

    name, id: the message's. traceparent: what it carries. after: the step before this one, and the id of the message of
    that step; None where the span that ``traceparent`` names comes before. attempt: from 1.
    """

    verb: str
    name: str
    id: str
    traceparent: str | None
    after: tuple[str, str] | None = None
    attempt: int = 1

    @property
    def before(self) -> Context | None:
        """The context of the step before this one, None without a trace."""
        found = _TRACEPARENT.fullmatch(self.traceparent or "")
        if found is None:
            return None
        span = _span_of(found[1], *self.after, 1) if self.after else found[2]
        return Context(found[1], span, bool(int(found[3], 16) & _SAMPLED))

    @property
    def context(self) -> Context | None:
        """The context of this step, None without a trace."""
        before = self.before
        return before and before._replace(span=_span_of(before.trace, self.verb, self.id, self.attempt))


def _span_of(trace: str, verb: str, message_id: str, attempt: int) -> str:
    return blake2b(f"{trace} {verb} {message_id} {attempt}".encode(), digest_size=8).hexdigest()


Collect = Callable[[Iterable[Step], int, int], None]
"""Takes steps that began and ended at the same two moments, in nanoseconds since 1970."""

_collectors: list[Collect] = []


def collect_with(collect: Collect) -> None:
    """Hand all steps of this process to a collector from now on."""
    _collectors.append(collect)


def are_collected() -> bool:
    """Return whether anybody collects."""
    return bool(_collectors)


def record(steps: Iterable[Step], begun: int, ended: int | None = None) -> None:
    """Record steps. begun, ended: `time.time_ns`; now, where there is no end."""
    for collect in _collectors:
        collect(steps, begun, ended or time.time_ns())


def publication(name: str, message_id: str, traceparent: str | None) -> tuple[Step, str | None]:
    """Return the step of publishing a message, and the ``traceparent`` that the message is to carry.

    traceparent: what the message would carry by itself. While somebody collects, the message carries the context of the
    step, which begins a trace if there was none.
    """
    if not _collectors:
        return Step("publish", name, message_id, traceparent), traceparent
    begun = Context(secrets.token_hex(16), _NO_SPAN, sampled=True).header
    step = Step("publish", name, message_id, traceparent or begun)
    return step, step.context and step.context.header


def is_first(before: Context) -> bool:
    """Return whether no span comes before."""
    return before.span == _NO_SPAN
