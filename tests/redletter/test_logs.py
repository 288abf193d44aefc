"""Logs during an outage, and with text from outside."""

import json
import subprocess
import sys
from itertools import pairwise

import pytest
from structlog import DropEvent
from structlog.typing import EventDict

from redletter.log_throttle import MAX_PAUSE_SECONDS, LogThrottle

EVIL = r"a\x1b]0;owned\x07\x9b\u202eb\nc\u2028"
LOGGING = """
import logging, psycopg, structlog
from redletter import logs
logs.configure("info")
log = structlog.get_logger("here")
"""


def logged(program: str) -> str:
    """Return what a program writes to its log."""
    done = subprocess.run(
        [sys.executable, "-c", LOGGING + program], capture_output=True, text=True, check=False, timeout=30
    )
    return done.stderr


def test_a_line_is_json_with_the_facts_as_fields() -> None:
    written = logged(f"log.warning('somebody_must_look', outcome='{EVIL}', records=3, milliseconds=0.5, name='发票')")
    record = json.loads(written)
    assert list(record)[:3] == ["timestamp", "level", "event"]
    del record["timestamp"]
    assert record == {
        "level": "warning",
        "event": "somebody_must_look",
        "outcome": EVIL.encode().decode("unicode_escape"),
        "records": 3,
        "milliseconds": 0.5,
        "name": "发票",
    }


def test_text_from_outside_is_visible_on_one_line_and_cut() -> None:
    written = logged(f"log.info('{EVIL}', id='{EVIL}', long='x' * 600_000, nested={{'a': '{EVIL}'}})")
    assert len(written.splitlines()) == 1
    assert not set("\x1b\x07\x9b\u202e\u2028") & set(written)
    assert len(written) < 2000


def test_libraries_are_treated_alike() -> None:
    written = logged(f"logging.getLogger('aiokafka').warning('%s', '{EVIL}' + 'x' * 600_000)")
    assert len(written.splitlines()) == 1
    assert not set("\x1b\x07\x9b\u202e\u2028") & set(written)
    assert len(written) < 2000


@pytest.mark.parametrize("logger", ["log", "logging.getLogger('asyncio')"])
def test_an_outage_is_logged_without_stacks(logger: str) -> None:
    written = logged(f"""
try:
    psycopg.connect("postgresql://127.0.0.1:1/x", connect_timeout=2)
except psycopg.Error:
    {logger}.exception("batch failed")
""")
    assert len(written.splitlines()) == 1
    assert "Traceback" not in written
    assert "OperationalError" in written and "batch failed" in written


@pytest.mark.parametrize("logger", ["log", "logging.getLogger('asyncio')"])
def test_a_fault_of_our_own_keeps_its_stack(logger: str) -> None:
    written = logged(f"""
try:
    {{}}["missing"]
except KeyError:
    {logger}.exception("a query failed")
""")
    assert len(written.splitlines()) == 1
    assert "Traceback" in written and "KeyError" in written


def test_retries_of_one_moment_are_one_line() -> None:
    written = logged("""
import stamina
from aiokafka.errors import KafkaConnectionError
for attempt in stamina.retry_context(on=KafkaConnectionError, attempts=40, timeout=None, wait_initial=0, wait_max=0):
    with attempt:
        if attempt.num < 40:
            raise KafkaConnectionError(f"127.0.0.1:{attempt.num} refuses")
""")
    (line,) = written.splitlines()
    assert "stamina.retry_scheduled" in line and "KafkaConnectionError" in line


class Clock:
    """Time that advances only when a test sets it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def written(throttle: LogThrottle, **record: object) -> EventDict | None:
    """Return the record as it is written, or None when it is not."""
    try:
        return throttle(None, "", {"level": "warning", "timestamp": "now", **record})
    except DropEvent:
        return None


def test_an_outage_logs_less_than_a_line_a_second_and_each_kind_at_least_once() -> None:
    clock = Clock()
    throttle = LogThrottle(clock)
    lines: list[tuple[float, EventDict]] = []
    for tenth in range(400):
        clock.now = tenth / 10
        for event in ("batch failed", "retry_scheduled", "not ready"):
            line = written(throttle, event=event, error="OperationalError('no')", waited=tenth, group=f"g{tenth % 7}")
            lines += [(clock.now, line)] if line else []
    times = [at for at, _ in lines]
    assert all(later - earlier >= 1 for earlier, later in pairwise(times))
    assert {line["event"] for _, line in lines} == {"batch failed", "retry_scheduled", "not ready"}
    assert 1200 > sum(line.get("repeated", 0) for _, line in lines) + len(lines) > 500


def test_another_error_is_logged_during_an_outage() -> None:
    throttle = LogThrottle(Clock())
    assert written(throttle, event="batch failed", error="OperationalError('no')")
    assert written(throttle, event="a query failed", error="KeyError('x')")


def test_records_about_different_things_are_all_logged() -> None:
    throttle = LogThrottle(Clock())
    assert written(throttle, event="somebody must look", invoice="1", offset=1)
    assert written(throttle, event="somebody must look", invoice="2", offset=1)
    assert not written(throttle, event="somebody must look", invoice="2", offset=2)


def test_addresses_of_objects_make_no_kinds() -> None:
    throttle = LogThrottle(Clock())
    assert written(throttle, level="error", event="Unclosed consumer at 0x7f41aabbccd0", logger="asyncio")
    assert not written(throttle, level="error", event="Unclosed consumer at 0x7f41aabb1230", logger="asyncio")


def test_what_is_only_information_is_never_kept_back() -> None:
    throttle = LogThrottle(Clock())
    assert all(written(throttle, level="info", event="accepted") for _ in range(3))


def test_after_a_minute_of_silence_a_kind_is_logged_at_once() -> None:
    clock = Clock()
    throttle = LogThrottle(clock)
    for second in range(30):
        clock.now = second
        written(throttle, event="e", error="x")
    clock.now += MAX_PAUSE_SECONDS
    assert written(throttle, event="e", error="x")


def test_kinds_without_end_do_not_fill_the_memory() -> None:
    throttle = LogThrottle(Clock())
    for letters in range(5000):
        written(throttle, event="dead letter", reason=f"{letters:b}".replace("0", "a").replace("1", "b"))
    assert len(throttle._kinds) <= 1000  # pyright: ignore[reportPrivateUsage] - memory is not seen from outside
