"""What `redletter check` finds has a next step."""

import re
from pathlib import Path

from redletter.checkup import STEPS
from web.operations import condition


def test_every_reason_why_the_system_can_be_degraded_has_a_next_step() -> None:
    """Those of an api that does not receive its topics are the api's own, and only it knows them."""
    source = Path(condition.__file__).read_text()
    codes = set(re.findall(r'code="([A-Z_]+)"', source)) - {"NOT_LISTENING"}
    assert len(codes) >= 7
    assert codes == set(STEPS)
