"""Connections that cannot be held for nothing: a request arrives and an answer is fetched in time, or they are closed.

uvicorn bounds only how long a connection is idle after an answer (Kludex/uvicorn#157).
"""

import asyncio
from typing import Any

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

log = structlog.get_logger(__name__)

ARRIVED_WITHIN = 15.0
"""Seconds for a whole request, headers and body, counted from its first byte; for the first, from the connection."""
FETCHED_WITHIN = 30.0
"""Seconds for which a client may fetch nothing of an answer that waits for it."""
LONGEST_HEADERS = 16 << 10
"""Bytes of a request's headers."""
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_ARRIVED = {h11.DONE, h11.MUST_CLOSE, h11.CLOSED, h11.ERROR, h11.SWITCHED_PROTOCOL}


class PatientProtocol(H11Protocol):
    """HTTP/1.1, up to a point."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the library's
        super().__init__(*args, **kwargs)
        self._arriving: asyncio.TimerHandle | None = None
        self._fetching: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._arriving = self.loop.call_later(ARRIVED_WITHIN, self._give_up_request)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Read what has come, and wait for the rest of a request that has begun."""
        super().handle_events()
        if self.conn.their_state in _ARRIVED or not self._has_begun():
            self._stop_waiting()
        elif self._arriving is None:
            self._arriving = self.loop.call_later(ARRIVED_WITHIN, self._give_up_request)

    def pause_writing(self) -> None:
        """Wait for the client to fetch what was sent."""
        self.flow.pause_writing()
        self._fetching = self._fetching or self.loop.call_later(FETCHED_WITHIN, self._give_up_answer)

    def resume_writing(self) -> None:
        """Resume sending."""
        self.flow.resume_writing()
        if self._fetching is not None:
            self._fetching.cancel()
            self._fetching = None

    def _has_begun(self) -> bool:
        return self.conn.their_state is h11.SEND_BODY or bool(self.conn.trailing_data[0])

    def _stop_waiting(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None

    def _give_up_request(self) -> None:
        log.info("request_timed_out", client=self.client)
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.write(_TOO_SLOW)
        self.transport.close()

    def _give_up_answer(self) -> None:
        log.info("response_not_fetched_in_time", client=self.client)
        self.transport.abort()
