"""Narrow a fault down to one record: park its invoice and go on, or say where and why the partition stops."""

import psycopg

from projections.engine.folding import NotAnEvent
from projections.engine.health import Retired, Stop, reason
from projections.engine.parking import TooManyParked, is_fault_of_event
from projections.engine.projection import Projection
from projections.engine.version_gaps import VersionGap
from transport.batch import Batch
from transport.positions import PositionLost
from transport.records import next_offset

_EXPLAINED = (NotAnEvent, VersionGap, Retired, TooManyParked)
"""Errors whose own words say enough."""


def up_to_stop(projection: Projection, batch: Batch) -> Stop | None:
    """Project the records of one partition up to the first that stops it; return where and why, or None.

    An invoice whose event cannot be folded is parked, where the projection parks. Raises: PositionLost.
    """
    try:
        projection.handle(batch)
    except PositionLost:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is narrowed down, or reported and tried again
        if len(batch.records) > 1 and not isinstance(error, Retired):
            first, second = batch.halves()
            return up_to_stop(projection, first) or up_to_stop(projection, second)
        return _park_or_stop(projection, batch, error)
    return None


def _park_or_stop(projection: Projection, batch: Batch, error: Exception) -> Stop | None:
    if not (projection.parks and is_fault_of_event(error)):
        return _stop(batch, error)
    try:
        projection.park(batch, reason(error))
    except PositionLost:
        raise
    except Exception as other:  # noqa: BLE001 - as above
        return _stop(batch, other)
    return None


def _stop(batch: Batch, error: Exception) -> Stop:
    (start,), record = (batch.starts[one] for one in batch.partitions()), batch.records[0]
    said = str(error) if isinstance(error, _EXPLAINED) else reason(error)
    if isinstance(error, Retired):
        return Stop(start, None, said)
    place = "" if isinstance(error, NotAnEvent) else f"{record.topic}[{record.partition}] offset {record.offset}: "
    return Stop(start, next_offset(record) - 1, f"{place}{said}")


def is_away(error: Exception) -> bool:
    """Return whether the database is the cause and not a record. A value too large for an index (class 54) is one."""
    lost = isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    return lost and not (error.sqlstate or "").startswith("54")
