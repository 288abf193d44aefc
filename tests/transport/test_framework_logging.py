"""What FastStream says, in our log."""

import logging

from structlog.testing import capture_logs

from transport.framework_logging import FrameworkLog

AT_EVERY_START = "Auto create topics is disabled. Make sure the topics exist."


def test_a_warning_is_a_field_of_one_event() -> None:
    with capture_logs() as lines:
        FrameworkLog("worker").log(logging.WARNING, "the coordinator is gone", exc_info=TimeoutError("no"))
    assert lines == [
        {
            "event": "framework_message",
            "log_level": "warning",
            "message": "the coordinator is gone",
            "group": "worker",
            "error": "TimeoutError('no')",
        }
    ]


def test_what_it_warns_of_at_every_start_is_no_warning() -> None:
    with capture_logs() as lines:
        FrameworkLog("worker").log(logging.WARNING, AT_EVERY_START)
    assert [line["log_level"] for line in lines] == ["debug"]
