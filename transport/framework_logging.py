"""What FastStream has to say goes through our log."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import structlog

log = structlog.get_logger(__name__)

SAY_AGAIN_AFTER = 1.0
"""Seconds in which the same line is not said twice."""
_AT_EVERY_START = "Auto create topics is disabled. Make sure the topics exist."
"""A warning that tells nobody anything here: `redletter migrate` creates the topics."""


class FrameworkLog:
    """FastStream's logger for one consumer group: warnings as they are, and its lines about every batch as debug."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._said: dict[str, float] = {}

    def log(
        self,
        level: int,
        msg: Any,  # noqa: ANN401 - the framework's signature
        /,
        *,
        exc_info: Any = None,  # noqa: ANN401 - the framework's signature
        extra: Mapping[str, Any] | None = None,  # noqa: ARG002 - nothing of it is ours
    ) -> None:
        """Log a line. A trouble of Kafka comes without its stack, which is all inside of the client."""
        line = str(msg)
        if level < logging.WARNING or line == _AT_EVERY_START:
            log.debug("framework_message", message=line, group=self._group)
        elif self._new(line):
            reason = {"error": repr(exc_info)} if isinstance(exc_info, BaseException) else {"exc_info": exc_info}
            log.log(level, "framework_message", message=line, group=self._group, **reason)

    def _new(self, line: str) -> bool:
        now = time.monotonic()
        self._said = {said: at for said, at in self._said.items() if now - at < SAY_AGAIN_AFTER}
        return now == self._said.setdefault(line, now)
