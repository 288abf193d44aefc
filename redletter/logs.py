"""Logs: one line a record on standard error, ours and the libraries' alike.

``key=value`` (logfmt) where a program or `up` reads it, aligned and coloured on a terminal.
"""

import logging
import sys

import structlog
from structlog.typing import Processor

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

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(level: str) -> None:
    """Send all logs to standard error. level: the least important records written, such as ``info``."""
    least = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_SHARED, *_rendering()],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _take_over_libraries(least)


def _rendering() -> list[Processor]:
    if sys.stderr.isatty():
        return [structlog.dev.ConsoleRenderer()]
    keys = ["timestamp", "level", "event"]
    return [structlog.processors.format_exc_info, structlog.processors.LogfmtRenderer(key_order=keys)]


def _take_over_libraries(least: int) -> None:
    handler = logging.StreamHandler(sys.stderr)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *_SHARED], processors=[remove, *_rendering()]
        )
    )
    logging.basicConfig(handlers=[handler], level=least, force=True)
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, quiet))
