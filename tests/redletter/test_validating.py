"""`validate` finds what the worker would refuse as malformed, without a broker."""

import json

import pytest

from redletter.command_validation import validate
from tests.redletter.support.lines import AMEND, RETURN
from tests.redletter.support.program import redletter


def test_commands_that_can_be_read_have_no_faults() -> None:
    assert validate([RETURN, b"", AMEND.replace(b'"account_id": "a"', b'"account_id": "a", "changes": {}')]) == (2, [])


def test_every_fault_of_every_line_is_named() -> None:
    """As the refusal would name it, and the line by its number."""
    found = validate([b"{", RETURN, RETURN.replace(b"26312000000000000001", b"26").replace(b'"a"', b"7")])
    assert found.commands == 3
    broken, wrong = found.faulty
    assert (broken.number, "not JSON" in broken.faults[0].message) == (1, True)
    assert (wrong.number, {fault.field for fault in wrong.faults}) == (3, {"invoice_number", "account_id"})


@pytest.mark.parametrize(("line", "code"), [(RETURN.decode(), 0), ("[]", 1)])
def test_the_exit_code_tells_whether_all_is_well(line: str, code: int) -> None:
    assert redletter("validate", "-", said=line).returncode == code


def test_programs_read_the_faults_as_json() -> None:
    ended = redletter("validate", "-", "--json", said=RETURN.decode().replace('"a"', "null"))
    (fault,) = json.loads(ended.stdout)["faults"]
    assert (fault["field"], ended.stderr) == ("account_id", "")
