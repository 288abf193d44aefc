"""`redletter check`, as people and programs call it."""

import json
import subprocess

import psycopg

from local import ports
from tests.projections.support.letters import letter, project
from tests.redletter.support.program import redletter
from tests.support.patience import patiently
from transport.addresses import Addresses

_PARKED = """
    insert into projections.parked (model, invoice_number, topic, partition, record_offset, version, why)
    values ('details', '26312000000000000001', 'invoice.events', 0, 7, 5, 'ZeroDivisionError: division by zero'),
        ('details__new', '26312000000000000001', 'invoice.events', 0, 7, 5, 'of a rebuild')
"""
_TIMER = """
    insert into redletter.timers (id, partition, name, invoice_number, body, due_at, causation_id, correlation_id,
        attempt, opened_at)
    values (%s, 0, 'IssueCreditNote.v1', '26000000000000000001', '', now(), '', '', %s, now() - %s::interval)
"""
HOLDER, FORM = "26312000000000000001", "33000000000000000001"
_REFUSED = json.dumps(
    {
        "code": "RED_FONT_FORM_ALREADY_USED",
        "invoice_number": "26312000000000000002",
        "details": {"form_number": FORM},
    }
)
_CLAIMED = """
    with form as (
        insert into projections.forms (invoice_number, account_id, number, active)
        values (%(holder)s, 'a', %(form)s, true)
    ), open as (
        insert into projections.returns (invoice_number, account_id, return_id, route, phase, requested_at,
            due_earliest, due_latest, overdue, attempts)
        values (%(holder)s, 'a', 'r', 'form', 'verifying_form', now(), now(), now() + interval '1 day', false, 0)
    )
    insert into projections.replies (command_id, source, topic, final, replied_at, reply)
    values ('c', 's', 'invoice.commands.customer', true, now(), %(refused)s)
"""


def run(addresses: Addresses, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    servers = {"REDLETTER_KAFKA_BOOTSTRAP_SERVERS": addresses.kafka, "REDLETTER_DATABASE_URL": addresses.database}
    return patiently(lambda: redletter(*arguments, **servers, **environment))


def test_what_is_wrong_is_told_with_its_next_step_and_exits_1(tables: Addresses) -> None:
    project(tables, [letter(1), letter(2)])
    with psycopg.connect(tables.database) as connection:
        connection.execute(_PARKED)
        connection.execute(
            "insert into projections.stopped (model, topic, partition, next, why)"
            " values ('forms', 'invoice.events', 2, 9, 'it cannot')"
        )
        connection.cursor().executemany(_TIMER, [("1", 0, "2 minutes"), ("2", 3, "2 hours"), ("3", 3, "2 minutes")])
    ended = run(tables, "check", "--json")
    assert ended.returncode == 1
    found = {(one["kind"], one["what"]): one["next_step"] for one in map(json.loads, ended.stdout.splitlines())}
    assert ("stopped", "READ_MODEL_STOPPED: forms, partitions 2: it cannot") in found
    (parked,) = [what for kind, what in found if kind == "parked"]
    assert "details shows 1 invoice as it was" in parked
    assert "26312000000000000001: ZeroDivisionError: division by zero" in parked
    assert "projections release --all" in found["parked", parked]
    assert found["stuck", "1 IssueCreditNote waits to be sent, the oldest for 2 min"] == "read the logs of the clock"
    assert ("late", "2 IssueCreditNote are repeated and not answered, the oldest for 2 h") in found
    assert found["stuck", "2 records could not be read: MALFORMED_COMMAND"].startswith("redletter dead-letters list")


def test_a_claim_that_holds_up_the_returns_of_others_is_told(tables: Addresses) -> None:
    """Whoever names the form of another invoice first has it until the tax system has spoken."""
    with psycopg.connect(tables.database) as connection:
        connection.execute(_CLAIMED, {"holder": HOLDER, "form": FORM, "refused": _REFUSED})
    found = [json.loads(line) for line in run(tables, "check", "--json").stdout.splitlines()]
    (told,) = [one for one in found if "has claimed form" in one["what"]]
    assert f"the return of {HOLDER} has claimed form {FORM}" in told["what"]
    assert "1 other return was refused" in told["what"]
    with psycopg.connect(tables.database) as connection:
        connection.execute("update projections.returns set phase = 'issuing_credit_note'")
    assert "has claimed form" not in run(tables, "check").stdout


def test_what_read_models_have_parked_is_listed_and_released_by_number(tables: Addresses) -> None:
    with psycopg.connect(tables.database) as connection:
        connection.execute(_PARKED)
    (parked,) = map(json.loads, run(tables, "projections", "parked", "--json").stdout.splitlines())
    assert (parked["model"], parked["invoice_number"], parked["version"]) == ("details", "26312000000000000001", 5)
    assert "ZeroDivisionError" in run(tables, "projections", "parked").stdout
    unknown = run(tables, "projections", "release", "26312000000000000002")
    assert (unknown.returncode, unknown.stdout) == (0, "26312000000000000002 is not parked\n")
    for arguments in ([], ["--all", "26312000000000000002"]):
        assert run(tables, "projections", "release", *arguments).returncode == 2


def test_an_api_that_is_named_and_does_not_answer_is_told(tables: Addresses) -> None:
    (nobody,) = ports.free(1)
    address = f"http://127.0.0.1:{nobody}"
    found = [json.loads(line) for line in run(tables, "check", "--json", REDLETTER_API_URL=address).stdout.splitlines()]
    (told,) = [one["what"] for one in found if one["what"].startswith("API_NOT_READY")]
    assert address in told
