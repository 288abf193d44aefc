"""Logs: one line a record on standard error, ours and the libraries' alike.

``key=value`` (logfmt) where a program or `up` reads it, aligned and coloured on a terminal. Text from outside is shown
with visible escapes and cut; what is told again and again is told now and then, with how often it was.
"""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from local.terminal import plain, plain_lines
from redletter import surroundings
from redletter.repeats import Repeats, exception_of

LONGEST_VALUE = 512
LONGEST_STACK = 16_384
"""Characters of a value, and of the stack of a fault of our own."""

_QUIET = {
    "aiokafka": logging.WARNING,
    # Every rebalance and every look for a coordinator that is still starting.
    "aiokafka.consumer.group_coordinator": logging.ERROR,
    "alembic": logging.WARNING,
    "httpx": logging.WARNING,
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.WARNING,
}
"""Least levels of libraries that tell more than anyone wants to read."""
_NUMBER = bool | int | float | None


def _without_known_stacks(_: object, __: str, record: EventDict) -> EventDict:
    """Put one sentence in the place of a stack where an exception speaks of servers that are away or frozen."""
    error = exception_of(record)
    if error is not None and surroundings.is_one(error):
        del record["exc_info"]
        record.setdefault("error", f"{type(error).__name__}({surroundings.sentence(error)})")
    return record


def _plain_values(_: object, __: str, record: EventDict) -> EventDict:
    """Make everything that is no number visible text on one line, and cut it."""
    for key, value in record.items():
        if key == "exception":
            record[key] = plain_lines(str(value)[:LONGEST_STACK])
        elif not isinstance(value, _NUMBER):
            record[key] = plain(str(value), longest=LONGEST_VALUE)
    return record


_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _without_known_stacks,
)


def configure(level: str) -> None:
    """Send all logs to standard error. level: the least important records written, such as ``info``."""
    least = logging.getLevelNamesMapping()[level.upper()]
    repeats = Repeats()
    structlog.configure(
        processors=[*_SHARED, repeats, *_rendering()],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _take_over_libraries(least, repeats)


def _rendering() -> list[Processor]:
    shown: list[Processor] = [structlog.processors.format_exc_info, _plain_values]
    if sys.stderr.isatty():
        return [*shown, structlog.dev.ConsoleRenderer()]
    return [*shown, structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])]


class _Handler(logging.StreamHandler[Any]):
    """Writes the records of libraries, except those that are told too often."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.stream.write(self.format(record) + self.terminator)
            self.flush()
        except structlog.DropEvent:
            pass
        except Exception:  # noqa: BLE001 - as every handler does
            self.handleError(record)


def _take_over_libraries(least: int, repeats: Repeats) -> None:
    handler = _Handler(sys.stderr)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *_SHARED, repeats],
            processors=[remove, *_rendering()],
        )
    )
    logging.basicConfig(handlers=[handler], level=least, force=True)
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, quiet))
