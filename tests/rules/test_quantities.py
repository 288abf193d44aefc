"""Numbers agree with what they count."""

import pytest

from rules.quantities import counted


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 commands"), (1, "1 command"), (2, "2 commands"), (11, "11 commands")]
)
def test_one_of_a_thing_is_not_several(number: int, said: str) -> None:
    assert counted(number, "command", "commands") == said
