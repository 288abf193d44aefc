"""Logging: one line per record on standard error, for Redletter and its libraries alike.

JSON, or aligned and coloured text on a terminal, which text from outside cannot control. Values are truncated.
Repeated warnings and errors are throttled.
"""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from local.terminal import json_line, plain, plain_lines
from redletter import outages
from redletter.log_throttle import LogThrottle, exception_of

_MAX_VALUE_CHARACTERS = 512
_MAX_STACK_CHARACTERS = 16_384

_LIBRARY_LEVELS = {
    "aiokafka": logging.WARNING,
    # It warns at every rebalance, and while a coordinator is still starting.
    "aiokafka.consumer.group_coordinator": logging.ERROR,
    "alembic": logging.WARNING,
    "httpx": logging.WARNING,
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.WARNING,
}
"""Least important level written, for libraries that log too much."""
_NUMBER = bool | int | float | None
_FIRST_FIELDS = ("timestamp", "level", "event")


def _without_outage_stacks(_: object, __: str, record: EventDict) -> EventDict:
    """Replace the stack by one sentence where the exception is an outage."""
    error = exception_of(record)
    if error is not None and outages.is_outage(error):
        del record["exc_info"]
        record.setdefault("error", f"{type(error).__name__}({outages.sentence(error)})")
    return record


def _truncated(_: object, __: str, record: EventDict) -> EventDict:
    """Turn every value except numbers into text, and truncate it."""
    for key, value in record.items():
        if key == "exception":
            record[key] = str(value)[:_MAX_STACK_CHARACTERS]
        elif not isinstance(value, _NUMBER):
            text = str(value)
            record[key] = text if len(text) <= _MAX_VALUE_CHARACTERS else f"{text[:_MAX_VALUE_CHARACTERS]}…"
    return record


def _visible(_: object, __: str, record: EventDict) -> EventDict:
    """Show control characters as visible escapes, on one line except for a stack."""
    for key, value in record.items():
        if isinstance(value, str):
            record[key] = plain_lines(value) if key == "exception" else plain(value)
    return record


def _as_json(_: object, __: str, record: EventDict) -> str:
    return json_line({**dict.fromkeys(_FIRST_FIELDS), **record})


_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _without_outage_stacks,
)


def configure(level: str) -> None:
    """Send all logs to standard error. level: of the least important records that are written, such as ``info``."""
    least = logging.getLevelNamesMapping()[level.upper()]
    throttle = LogThrottle()
    structlog.configure(
        processors=[*_SHARED, throttle, *_rendering()],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _take_over_libraries(least, throttle)


def _rendering() -> list[Processor]:
    shown: list[Processor] = [structlog.processors.format_exc_info, _truncated]
    if sys.stderr.isatty():
        return [*shown, _visible, structlog.dev.ConsoleRenderer()]
    return [*shown, _as_json]


class _Handler(logging.StreamHandler[Any]):
    """Writes the records of libraries, except those that the throttle drops."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.stream.write(self.format(record) + self.terminator)
            self.flush()
        except structlog.DropEvent:
            pass
        except Exception:  # noqa: BLE001 - like every logging handler
            self.handleError(record)


def _take_over_libraries(least: int, throttle: LogThrottle) -> None:
    handler = _Handler(sys.stderr)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *_SHARED, throttle],
            processors=[remove, *_rendering()],
        )
    )
    logging.basicConfig(handlers=[handler], level=least, force=True)
    for name, quiet in _LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(max(least, quiet))
