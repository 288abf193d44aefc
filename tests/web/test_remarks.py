"""A number that people see in remarks and programs do not."""

import pytest

from web.console.remarks import obstacle

NUMBER = "26312000000000000001"


@pytest.mark.parametrize(
    ("remarks", "sign"),
    [
        (f"for {NUMBER[:8]}\u200b{NUMBER[8:]}", "U+200B ZERO WIDTH SPACE"),
        (f"{NUMBER[:4]} {NUMBER[4:]}", "U+0020 SPACE"),
        (f"{NUMBER[:19]}l.", "U+006C LATIN SMALL LETTER L"),
        (NUMBER.replace("0", "\u041e", 1), "U+041E CYRILLIC CAPITAL LETTER O"),
        ("please return it", None),
        (NUMBER, None),
        ("", None),
    ],
)
def test_the_character_in_the_way_of_a_number_is_named(remarks: str, sign: str | None) -> None:
    assert obstacle(remarks, NUMBER) == sign
