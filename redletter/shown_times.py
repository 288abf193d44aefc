"""Times for people: in their own zone with its offset, or in UTC if they ask for that. JSON keeps RFC 3339 in UTC."""

import os
import time
from datetime import datetime
from typing import Literal


def shown_time(at: datetime, timespec: Literal["seconds", "milliseconds"] = "seconds") -> str:
    """Return a time such as ``2026-02-13 09:00:00+08:00``."""
    return at.astimezone().isoformat(" ", timespec)


def use_utc() -> None:
    """Show every time in UTC from now on."""
    os.environ["TZ"] = "UTC"
    time.tzset()
