"""Runs one command of the program, and kills it at the N-th passing of a crash point. Runs in a forked process."""

import functools
import inspect
import itertools
import os
import random
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from psycopg.errors import DataError

from projections import projector as _projector
from projections import releasing as _read_model_releasing
from projections.rebuild import rebuilding
from redletter.cli import main as program
from service import clock as _clock
from service import relay as _relay
from service.store.event_store import Store
from service.worker import releasing as _releasing
from service.worker import role as _worker
from tests.faults.points.catalogue import POINTS, Point
from tests.faults.support.projector_with_a_bug import break_folds
from tests.faults.support.worker_with_a_bug import break_decisions
from transport import consumer, membership

SESSION_TIMEOUT = 2.0
"""Seconds until the partitions of a killed member go to another one; in earnest it is longer."""
GRACE = 0.5
"""Seconds that replaced tables stay after a rebuild."""
SPOILED = 0.2
"""Share of the worker's batches that the store refuses for their content, so that halving is killed too."""

_LOADED = (_projector, _clock, _relay, _worker, _releasing, _read_model_releasing)
"""Loaded once, before processes fork: so a role starts in a moment, also on a busy machine."""


def run(point_name: str, passing: int, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    """Run a command until it is killed, or ends by itself."""
    with log.open("ab") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    for name in [name for name in os.environ if name.startswith("REDLETTER_TESTS_")]:
        del os.environ[name]  # the proofs' own, and no setting of a role
    os.environ.update(environment)
    point = POINTS[point_name]
    consumer.SESSION_TIMEOUT = SESSION_TIMEOUT
    membership.SESSION_TIMEOUT_MS = int(SESSION_TIMEOUT * 1000)
    rebuilding.rebuild.__defaults__ = (GRACE,)
    if point.role == "worker":
        _spoil()
    elif point.role == "parking":
        break_decisions()
    elif point.role == "read model parking":
        break_folds()
    arm(point, passing)
    sys.argv = ["redletter", *command]
    program()


def arm(point: Point, passing: int) -> None:
    """Put the kill in place of the function at the point."""
    owner, name = point.owner()
    passings = itertools.count(1)

    def pass_by() -> None:
        if next(passings) == passing:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, _watched(getattr(owner, name), point.when, pass_by))


def _watched(function: Callable[..., Any], when: str, pass_by: Callable[[], None]) -> Callable[..., Any]:
    """Return the function with a crash point before or after it. A function that raises is not passed."""

    @functools.wraps(function)
    def watched(*arguments: Any, **named: Any) -> Any:
        if when == "before":
            pass_by()
        result = function(*arguments, **named)
        if when == "after":
            pass_by()
        return result

    @functools.wraps(function)
    async def awaited(*arguments: Any, **named: Any) -> Any:
        if when == "before":
            pass_by()
        result = await function(*arguments, **named)
        if when == "after":
            pass_by()
        return result

    return awaited if inspect.iscoroutinefunction(function) else watched


def _spoil() -> None:
    """Let the store refuse whole batches now and then, as if one of their records could not be written."""
    save, chance = Store.save, random.Random()  # noqa: S311 - a load, not a secret

    def spoiled(self: Store, write: Any) -> Mapping[int, int]:
        if len(write.moves) > 1 and chance.random() < SPOILED:
            raise DataError("a record of this batch cannot be written")
        return save(self, write)

    Store.save = spoiled
