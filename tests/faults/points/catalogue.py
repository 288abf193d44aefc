"""The crash points of each role: before and after each function that reads, decides, writes, publishes or moves on."""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

_CONSUMER = (
    "transport.group_reading:GroupReader.on_partitions_assigned",
    "transport.group_reading:GroupReader.on_partitions_revoked",
    "transport.group_reading:GroupReader._rewind",
    "transport.group_reading:GroupReader._advise",
    "transport.group_reading:GroupReader._done",
)
_PRODUCER = (
    "aiokafka:AIOKafkaProducer.start",
    "aiokafka:AIOKafkaProducer.begin_transaction",
    "aiokafka:AIOKafkaProducer.send_batch",
    "aiokafka:AIOKafkaProducer.commit_transaction",
)
_FUNCTIONS: Mapping[str, Sequence[str]] = {
    "worker": (
        *_CONSUMER,
        "transport.positions:place",
        "service.worker.work:CommandWork.handle",
        "service.worker.work:CommandWork._answer",
        "service.store.event_store:Store.save",
        "transport.positions:advance",
        "service.store.claim_rows:apply",
        "service.store.appending:append",
    ),
    "parking": (
        "service.worker.answering:set_aside",
        "service.store.parking_rows:apply_queues",
        "service.store.appending:append",
        "service.store.event_store:Store.save",
    ),
    "release": (
        "service.store.event_store:Store.first_waiting",
        "service.worker.releasing:Releasing._answer_first",
        "service.store.parking_rows:apply_queues",
        "service.store.appending:append",
        "service.store.event_store:Store.save",
    ),
    "relay": (
        *_PRODUCER,
        "service.relay.partition:PartitionRelay._last_position",
        "service.store.log_reader:LogReader.after",
        "service.relay.partition:PartitionRelay._publish_rows",
        "transport.producer:TransactionalProducer.publish",
    ),
    "projector": (
        *_CONSUMER,
        *_PRODUCER,
        "projections.engine.joint_projection:JointProjection.handle",
        "projections.engine.joint_projection:JointProjection._transact",
        "projections.engine.projection:Projection.handle",
        "projections.engine.live_projection:LiveProjection._project",
        "projections.publication.outbox:put",
        "projections.publication.outbox:pending",
        "projections.publication.outbox:drop",
        "transport.positions:advance",
        "transport.producer:FencedProducers.own",
    ),
    "clock": (
        *_CONSUMER,
        *_PRODUCER,
        "transport.work:TransactionalWork.handle",
        "service.clock.timers:change",
        "service.clock.timers:take_due",
        "transport.outbox:FencedPublisher.assigned_at_once",
        "transport.outbox:FencedPublisher.revoked_after_turn",
        "service.clock.sending:DueTimers._publish",
        "transport.positions:advance",
    ),
    "read model parking": ("projections.engine.parking:park",),
    "read model release": (
        "projections.releasing:_Events.read_to",
        "projections.releasing:_fold_all",
        "projections.releasing:_fold_anew",
    ),
    "rebuild": (
        "projections.rebuild.tables:begin",
        "projections.rebuild.filling:Filling.begin",
        "projections.rebuild.filling:Filling._write",
        "projections.rebuild.rebuilding:_compared",
        "projections.rebuild.tables:positions_of",
        "projections.rebuild.tables:switch",
        "projections.rebuild.tables:_rename",
        "projections.rebuild.tables:drop_tables",
    ),
}


@dataclass(frozen=True, slots=True)
class Point:
    """A place in a role's work: before or after a function, written ``module:qualified.name``."""

    role: str
    when: Literal["before", "after"]
    function: str

    def __str__(self) -> str:
        """Name the point, as tests and the launcher call it."""
        return f"{self.role}: {self.when} {self.function.rpartition(':')[2]}"

    def owner(self) -> tuple[Any, str]:
        """Return the module or class that holds the function, and the function's name there.

        Raises: ImportError, AttributeError when there is no such function any more.
        """
        module, _, qualified = self.function.partition(":")
        owner: Any = importlib.import_module(module)
        *path, name = qualified.split(".")
        for step in path:
            owner = getattr(owner, step)
        getattr(owner, name)
        return owner, name

    def resolve(self) -> Callable[..., Any]:
        """Return the function itself. Raises: as `owner`."""
        owner, name = self.owner()
        return getattr(owner, name)


def _points() -> Iterator[Point]:
    for role, functions in _FUNCTIONS.items():
        for function in functions:
            yield Point(role, "before", function)
            yield Point(role, "after", function)


def points_of(role: str) -> list[Point]:
    """Return the points of a role; one that parks is a worker that cannot decide, or a projector that cannot fold."""
    return [point for point in POINTS.values() if point.role == role]


POINTS: Mapping[str, Point] = {str(point): point for point in _points()}
