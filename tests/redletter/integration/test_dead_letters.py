"""`redletter dead-letters`, as people call it."""

import json
import subprocess
from typing import Any

import pytest

from events.topics import Channel
from tests.faults.support.evidence import everything
from tests.projections.support.letters import CUSTOMER, bury, letter
from tests.redletter.support.program import redletter
from transport.addresses import Addresses

NUMBER = "26312000000000000001"


def dead_letters(addresses: Addresses, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    return redletter(
        "dead-letters",
        *arguments,
        said=said,
        REDLETTER_KAFKA_BOOTSTRAP_SERVERS=addresses.kafka,
        REDLETTER_DATABASE_URL=addresses.database,
    )


def listed(addresses: Addresses, *filters: str) -> list[dict[str, Any]]:
    output = dead_letters(addresses, "list", "--json", *filters).stdout
    return [json.loads(line) for line in output.splitlines()]


async def test_dead_letters_are_listed_shown_replayed_and_discarded(addresses: Addresses) -> None:
    await bury(
        addresses,
        [
            letter(1, key=NUMBER.encode(), value=b'{"a": "\x1b"}', headers=[("ce_id", b"\xff"), ("none", None)]),
            letter(2, partition=5, reason="FAULT", at="2026-03-01T00:00:00+00:00"),
            letter(3, topic=Channel.TAX.value, reason="TOO_LARGE", value=None),
        ],
    )
    table = dead_letters(addresses, "list").stdout
    assert [line.split()[0] for line in table.splitlines()[1:]] == [
        f"{CUSTOMER}/0/1",
        f"{CUSTOMER}/5/2",
        f"{Channel.TAX.value}/0/3",
    ]
    assert [one["record_offset"] for one in listed(addresses, "--since", "2026-03-01T00:00:00+00:00")] == [2]
    assert [one["record_offset"] for one in listed(addresses, "--invoice", NUMBER)] == [1]

    shown = dead_letters(addresses, "show", f"{CUSTOMER}/0/1").stdout
    assert f"key: {NUMBER}\n" in shown
    assert "header ce_id: \\xff\nheader none: none\n" in shown
    assert 'value: {"a": "\\x1b"}\n' in shown
    record = json.loads(dead_letters(addresses, "show", f"{CUSTOMER}/0/1", "--json").stdout)["record"]
    assert record["headers"][:2] == [["ce_id", {"base64": "/w=="}], ["none", None]]

    replayed = dead_letters(addresses, "replay", "--reason", "MALFORMED_COMMAND", said="y\n")
    assert (replayed.returncode, replayed.stdout.strip()) == (0, "replayed: 1")
    assert "Replay 1 dead letter?" in replayed.stderr
    assert [(one.partition, one.value) for one in await everything(addresses.kafka, CUSTOMER)] == [
        (0, b'{"a": "\x1b"}')
    ]
    again = dead_letters(addresses, "replay", f"{CUSTOMER}/0/1", "--yes")
    assert (again.returncode, again.stdout) == (0, "no such dead letter waits\n")

    discarded = dead_letters(addresses, "discard", f"{CUSTOMER}/5/2", "--because", "a test of ours", "--yes")
    assert (discarded.returncode, discarded.stdout) == (0, "discarded: 1\n")
    incomplete = dead_letters(addresses, "replay", "--all", "--yes")
    assert (incomplete.returncode, incomplete.stdout) == (1, "replayed: 0\n")
    assert f"{Channel.TAX.value}/0/3: its record is not kept; discard it" in incomplete.stderr
    fates = {one["record_offset"]: (one["outcome"], one["why"]) for one in listed(addresses)}
    assert fates == {1: ("replayed", None), 2: ("discarded", "a test of ours"), 3: ("waiting", None)}
    assert [one["record_offset"] for one in listed(addresses, "--waiting")] == [3]
    missing = dead_letters(addresses, "show", f"{CUSTOMER}/0/77")
    assert (missing.returncode, missing.stdout) == (1, "")


async def test_nothing_is_replayed_or_discarded_that_was_not_confirmed(addresses: Addresses) -> None:
    await bury(addresses, [letter(1)])
    for arguments in (["replay", "--all"], ["discard", "--all", "--because", "x"]):
        assert dead_letters(addresses, *arguments, said="n\n").returncode == 1
    assert [one["outcome"] for one in listed(addresses)] == ["waiting"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay"],
        ["replay", "--all", "--reason", "FAULT"],
        ["replay", "not a place"],
        ["list", "--since", "2026-03-01"],
        ["discard", "--all", "--because", " "],
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(tables: Addresses, arguments: list[str]) -> None:
    ended = dead_letters(tables, *arguments, "--yes") if arguments[0] != "list" else dead_letters(tables, *arguments)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
