"""The commands for people who ask: status, history, why, and those that keep the read models right."""

import asyncio
import json
import re
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from tests.end_to_end.support.screens import MODES
from tests.end_to_end.support.shared import Shared
from tests.end_to_end.support.terminal import User
from tests.faults.support.roles import PROGRAM
from tests.service.support.orders import ask_return, ask_simply, observe, register
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def user(shared: Shared) -> User:
    return User(
        {
            "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": shared.addresses.kafka,
            "REDLETTER_DATABASE_URL": shared.addresses.database,
            **shared.roles.environment,
        }
    )


@pytest_asyncio.fixture(loop_scope="module")
async def returning(shared: Shared, number: str) -> str:
    """An invoice that is being returned, and visible to queries; its number."""
    await shared.billing.submit(register(number, kind="general", charges=[number]))
    refused = await shared.billing.submit(ask_return(number))
    assert refused.answer == "RED_FONT_FORM_NOT_EXPECTED"
    answered = await shared.billing.submit(ask_simply(number))
    for path in (f"/invoices/{number}/status", f"/invoices/{number}/history"):
        asked = {"min_version": answered.reply["invoice_version"], "wait": 30}
        (await shared.http.get(path, params=asked)).raise_for_status()
    return number


async def test_status_and_history_are_shown_to_people_and_to_programs(
    user: User, shared: Shared, returning: str
) -> None:
    code, output, _ = await user.run("status", returning)
    assert (code, "Return in progress" in output) == (0, True)
    code, output, _ = await user.run("status", returning, "--as-of", "2020-01-01T00:00:00+08:00")
    assert code == 1
    issued_at = shared.billing.of(returning)[0].occurred_at.isoformat()
    _, output, _ = await user.run("status", returning, "--json", "--as-of", issued_at)
    assert json.loads(output)["status"]["code"] == "issued"
    for command in ("status", "history"):
        code, _, error = await user.run(command, returning, "--as-of", "yesterday")
        assert (code, error.startswith("redletter: --as-of yesterday: must be a time with an offset")) == (2, True)
        code, _, error = await user.run(command, returning, "--as-of", issued_at, "--watch")
        assert (code, "exclude each other" in error) == (2, True)

    code, output, _ = await user.run("history", returning)
    assert [line.split()[3] for line in output.splitlines()[1:]] == ["InvoiceIssued", "ReturnRequested"]
    _, output, _ = await user.run("history", returning, "--json")
    assert [json.loads(line)["version"] for line in output.splitlines()] == [1, 2]
    _, output, _ = await user.run("history", returning, "--json", "--as-of", issued_at)
    assert [json.loads(line)["version"] for line in output.splitlines()] == [1]
    code, _, error = await user.run("history", returning[::-1])
    assert (code, error) == (1, "redletter: INVOICE_NOT_FOUND: There is no such invoice.\n")


async def asked_of_the_tax_system(user: User, number: str) -> str:
    """Wait until `why` shows that the tax system has been asked, after which nothing changes; return what it shows."""
    async with asyncio.timeout(300):
        while "OpenRedFontForm" not in (output := (await user.run("why", number))[1]):
            pass
    return output


async def test_why_shows_what_led_to_what(user: User, returning: str) -> None:
    output = await asked_of_the_tax_system(user, returning)
    *shown, last = output.splitlines()
    lines = [line.split(maxsplit=3) for line in shown]
    assert all(rest.split()[2] == "from" for _, _, kind, rest in lines if kind == "command")
    what = [f"{kind} {rest.split()[0]}" for _, _, kind, rest in lines]
    assert what.index("command RegisterInvoice") < what.index("event InvoiceIssued") < what.index("reply accepted")
    assert any("(RED_FONT_FORM_NOT_EXPECTED)" in rest for _, _, kind, rest in lines if kind == "reply")
    assert last.startswith("waiting for the tax platform since ")
    assert what.index("event ReturnRequested") < what.index("request OpenRedFontForm,")
    _, output, _ = await user.run("why", returning, "--json")
    messages = [json.loads(line) for line in output.splitlines()]
    (event,) = [message for message in messages if message["name"] == "ReturnRequested"]
    (asked,) = {message["id"] for message in messages if message["name"] == "RequestReturn"} & {event["causation_id"]}
    _, output, _ = await user.run("why", asked, "--json")
    of_one = [json.loads(line) for line in output.splitlines()]
    assert {message["correlation_id"] or message["id"] for message in of_one} == {asked}
    assert {"RequestReturn", "ReturnRequested", "OpenRedFontForm"} <= {message["name"] for message in of_one}
    code, _, error = await user.run("why", returning[::-1])
    assert (code, "found no message about" in error) == (1, True)


@pytest.mark.parametrize("command", ["status", "history"])
async def test_what_is_watched_is_printed_as_it_changes_until_ctrl_c(
    user: User, shared: Shared, returning: str, command: str
) -> None:
    async def line() -> dict[str, Any]:
        assert watching.stdout
        return json.loads(await asyncio.wait_for(watching.stdout.readline(), 60))

    watching = await asyncio.create_subprocess_exec(
        PROGRAM, command, returning, "--watch", "--json", env=user.environment, stdout=subprocess.PIPE
    )
    while (await line())["version"] < 2:
        pass
    await shared.billing.submit(observe(number=returning))
    assert (await line())["version"] == 3
    watching.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(watching.wait(), 60) == 0


async def test_read_models_are_listed_rebuilt_and_verified(user: User, returning: str) -> None:
    assert returning
    code, output, _ = await user.run("projections", "list")
    assert (code, {line.split()[0] for line in output.splitlines()[1:]}) == (
        0,
        {
            "status",
            "details",
            "invoices",
            "history",
            "returns",
            "charges",
            "forms",
            "replies",
            "dead_letters",
        },
    )
    assert all("running" in line for line in output.splitlines()[1:])
    code, output, error = await user.run("projections", "verify", "all")
    assert (code, output.count("rows, correct")) == (0, 7), error
    code, output, error = await user.run("projections", "rebuild", "status", "charges")
    assert (code, output.count("same as before")) == (0, 2), error
    code, _, error = await user.run("projections", "rebuild", "replies")
    assert (code, 'unknown read model "replies"' in error) == (2, True)


async def test_a_check_of_a_system_that_is_well_finds_nothing(user: User, returning: str, tmp_path: Path) -> None:
    assert returning
    next_year = datetime.now(UTC).year + 1
    calendar = tmp_path / "calendar.json"  # so that what is known of holidays does not end soon, whatever the date
    calendar.write_text(json.dumps({"version": "decreed", "off": [f"{next_year}-01-01"], "working": []}))
    user.environment["REDLETTER_CALENDAR_FILE"] = str(calendar)

    async def is_well() -> bool:
        return await user.run("check") == (0, "nothing needs attention\n", "")

    await until(is_well)
    assert await user.run("check", "--json") == (0, "", "")


NOWHERE = "26000000000000000404"
LINE = json.dumps({"type": "RequestReturn", "id": "screens", "data": {"invoice_number": NOWHERE, "account_id": "a"}})
COLOUR = re.compile(r"\x1b\[[0-9;]*(3[0-8]|4[0-8]|9[0-7])[0-9;]*m")
STYLE = re.compile(r"\x1b\[[0-9;]*m")
COPIED = re.compile(r"\d{20}|[0-9a-f]{8}-[0-9a-f-]{27}|invoice\.[a-z.-]+/\d+/\d+")
"""Numbers, ids and places, which people copy."""
TABLES = (
    "history",
    "check",
    "acls",
    "projections list",
    "projections parked",
    "dead-letters list",
    "parked list",
    "positions",
)
"""Commands that show tables; others show lines, which a terminal wraps."""


@pytest_asyncio.fixture(loop_scope="module")
async def buried(shared: Shared, user: User) -> str:
    """Let there be a dead letter, and return its place."""
    async with AIOKafkaProducer(bootstrap_servers=shared.addresses.kafka) as producer:
        await producer.send_and_wait("invoice.commands.customer", b"no command")
    async with asyncio.timeout(300):
        while not (output := (await user.run("dead-letters", "list", "--json"))[1]):
            pass
    return json.loads(output.splitlines()[0])["place"]


async def test_every_command_fits_any_terminal_and_is_plain_in_a_pipe(user: User, returning: str, buried: str) -> None:
    """What people copy is whole, for which a table may have to be wider than 80 columns."""
    codes = {
        "--version": 0,
        f"status {returning}": 0,
        f"status {NOWHERE}": 1,
        f"history {returning}": 0,
        f"why {returning}": 0,
        "check": 1,
        "send -": 1,
        "send --dry-run -": 0,
        "validate -": 0,
        "tail nothing": 2,
        "trigger nothing": 2,
        "schemas": 0,
        "asyncapi": 0,
        "migrate": 0,
        "acls": 0,
        "grants": 0,
        "projections list": 0,
        "projections parked": 0,
        "projections verify status": 0,
        "dead-letters list": 0,
        f"dead-letters show {buried}": 0,
        "parked list": 0,
        "positions show": 0,
        "dead-letters discard --all --yes --because tested": 0,
    }
    await asked_of_the_tax_system(user, returning)
    for call, screens in (await user.look_at(list(codes), LINE)).items():
        assert {mode: shown.code for mode, shown in screens.items()} == dict.fromkeys(MODES, codes[call]), screens
        assert "\x1b" not in screens["pipe"].output, call
        assert not any(COLOUR.search(shown.output) for shown in screens.values()), call
        copied = set(COPIED.findall(screens["pipe"].output))
        for width in ("80", "120"):
            plain = STYLE.sub("", screens[width].output)
            assert copied <= set(COPIED.findall(plain)), (call, plain)
            fits = max(map(len, plain.splitlines()), default=0) <= int(width)
            assert fits or width == "80" or not call.startswith(TABLES), (call, plain)
