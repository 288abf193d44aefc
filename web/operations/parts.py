"""How each part of the system is: its servers, its roles and its read models."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from projections.catalogue import MODELS
from transport.groups import Group
from web.operations.condition import GROUPS_OF_ROLES, Condition, Listening, LogCondition
from web.operations.lag import Lag

LATE_SECONDS = 30.0
"""How long a message may wait for a consumer, and an entry of the log for the relay."""
PartState = Literal["running", "behind", "out_of_date", "stopped", "missing", "away", "unknown"]
PartKind = Literal["server", "role", "read_model"]
_NOTHING_KNOWN = Condition(LogCondition(), (), (), ())


class Part(NamedTuple):
    """A part and its state.

    name: as people know it, or a key of `labels.PART_NAME`. messages: how many it has not done yet, the oldest of which
    has waited ``seconds``. step: the key of what to do in `labels.NEXT_STEP`; empty while there is nothing to do.
    """

    name: str
    kind: PartKind
    state: PartState
    messages: int | None = None
    seconds: float = 0.0
    step: str = ""


class ServerLook(NamedTuple):
    """What one look at the servers found; None where a server did not answer.

    apart: whether the log has a database of its own.
    """

    known: Condition | None
    lags: Sequence[Lag] | None
    groups: Mapping[str, Group] | None
    apart: bool = False


def parts(look: ServerLook, listening: Listening) -> Iterator[Part]:
    """Yield every part. listening: what this api receives."""
    yield from _databases(look)
    yield _server("Kafka", reached=look.lags is not None)
    for role, consumers in GROUPS_OF_ROLES.items():
        yield _relay(look) if role == "relay" else _consuming(role, "role", consumers, look)
    hears = all(is_heard() for is_heard in listening.values())
    yield Part("api", "role", "running") if hears else Part("api", "role", "stopped", step="NOT_LISTENING")
    for name, entry in MODELS.items():
        yield _consuming(name, "read_model", (entry.consumer,), look)


def _server(name: str, *, reached: bool) -> Part:
    return Part(name, "server", "running") if reached else Part(name, "server", "away", step="SERVER_AWAY")


def _databases(look: ServerLook) -> Iterator[Part]:
    if not look.apart:
        yield _server("PostgreSQL", reached=look.known is not None)
        return
    if look.known is None:
        yield Part("log_database", "server", "unknown")
    else:
        yield _server("log_database", reached=look.known.log is not None)
    yield _server("read_database", reached=look.known is not None)


def _relay(look: ServerLook) -> Part:
    log = (look.known and look.known.log) or LogCondition()
    return _in_state(
        Part("relay", "role", "running", log.unpublished, log.seconds),
        (_is_missing(GROUPS_OF_ROLES["relay"], look), "missing", "ROLE_MISSING"),
        (look.known is None or look.known.log is None, "unknown", ""),
        (bool(log.stopped), "stopped", "LOG_DIFFERS"),
        (log.seconds > LATE_SECONDS, "behind", "LOG_UNPUBLISHED"),
    )


def _consuming(name: str, kind: PartKind, consumers: Collection[str], look: ServerLook) -> Part:
    """Return a part that reads topics. Its lag is that of the consumer which is farthest behind."""
    known = look.known or _NOTHING_KNOWN
    log_stopped = name == "worker" and known.log is not None and bool(known.log.stopped)
    lags = [lag for lag in look.lags or () if lag.consumer in consumers]
    messages = max((lag.messages for lag in lags), default=None)
    seconds = max((lag.seconds for lag in lags), default=0.0)
    unread = any(one.consumer in consumers and one.unread is not None for one in known.partitions)
    stopped, out_of_date = ({one.model for one in some} for some in (known.stopped, known.out_of_date))
    return _in_state(
        Part(name, kind, "running", messages, seconds),
        (_is_missing(consumers, look), "missing", "ROLE_MISSING"),
        (look.known is None, "unknown", ""),
        (unread, "stopped", "PARTITION_NOT_READ"),
        (log_stopped, "stopped", "LOG_DIFFERS"),
        (kind == "read_model" and name in stopped, "stopped", "READ_MODEL_STOPPED"),
        (kind == "read_model" and name in out_of_date, "out_of_date", "INVOICES_OUT_OF_DATE"),
        (seconds > LATE_SECONDS, "behind", "BEHIND"),
        (messages is None, "unknown", ""),
    )


def _in_state(part: Part, *states: tuple[bool, PartState, str]) -> Part:
    """Return the part in the first state that it is in, with what to do."""
    for is_so, state, step in states:
        if is_so:
            return part._replace(state=state, step=step)
    return part


def _is_missing(consumers: Collection[str], look: ServerLook) -> bool:
    """Return whether no process of a role runs; one that could not be asked for may well run."""
    groups = look.groups or {}
    return any(name in groups and not groups[name].members for name in consumers)
