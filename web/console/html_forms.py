"""Forms that readers fill in, and the commands that they become. A double click sends one command, under one key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from pydantic import TypeAdapter

from projections.invoices.queries import Line
from web.gateway.command_publisher import CommandPublisher
from web.gateway.commands import CustomerCommand, Underway, body_of, publish_command
from web.http.identity import Caller
from web.http.problems import Problem

_KEY = "key"
"""The field with the command's id: every form that is opened has its own."""
NOT_ANSWERED_YET = "NOT_ANSWERED_YET"
"""The code of a command that is published and whose reply takes long."""
UNDECIDED = {"COMMANDS_UNAVAILABLE", NOT_ANSWERED_YET}
"""Answers after which the same command may be sent again, under its id."""
_BESIDE = {
    "RED_FONT_FORM_ALREADY_USED": "red_font_form_number",
    "NO_CHARGES_SELECTED": "charge_ids",
    "CHARGE_NOT_ON_ORIGINAL": "charge_ids",
    "CHARGE_ALREADY_REINVOICED": "charge_ids",
}
"""The field beside which a refusal is shown that names none."""
_JSON = TypeAdapter[Any](Any)

SentForm = Mapping[str, list[str]]
"""What was filled in, as it was sent."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it is shown. faults: the code of what is wrong with each field; "" is the form as a whole."""

    values: Mapping[str, str]
    chosen: Sequence[str]
    key: str
    faults: Mapping[str, str] = field(default_factory=dict[str, str])


def opened(request: Request) -> Filled:
    """Return a form with what the address says of it already; the command's id never comes from the address."""
    values = {name: value for name, value in request.query_params.items() if name != _KEY}
    return Filled(values, request.query_params.getlist("charge_ids"), str(uuid4()))


async def read(request: Request) -> SentForm:
    """Read what was filled in. Raises: Problem."""
    return parse_qs((await body_of(request)).decode(errors="replace"), keep_blank_values=True)


def filled_in(form: SentForm, names: Sequence[str]) -> dict[str, str]:
    """Return those of the fields that are not empty."""
    return {name: form[name][0] for name in names if form.get(name, [""])[0]}


async def give_command(  # noqa: PLR0913, PLR0917 - a form, and where it goes
    request: Request,
    publisher: CommandPublisher,
    caller: Caller,
    kind: type[CustomerCommand],
    line: Line,
    fields: Mapping[str, Any],
    form: SentForm,
) -> Response:
    """Publish the command, and lead the reader to what became of it. Raises: Problem."""
    number = line.status.invoice_number
    body = _JSON.dump_json({"account_id": line.status.account_id, **fields})
    reply = await publish_command(
        publisher, caller, kind, number, body, form_key(form), request.headers.get("traceparent")
    )
    if isinstance(reply, Underway):
        raise Problem(HTTPStatus.ACCEPTED, NOT_ANSWERED_YET, "The request is published; its reply takes long.")
    version = reply["invoice_version"]
    if "x-fragment" in request.headers:
        return Response(status_code=HTTPStatus.NO_CONTENT, headers={"X-Number": number, "X-Version": str(version)})
    return RedirectResponse(f"/details/{number}?min_version={version}", HTTPStatus.SEE_OTHER)


def version_of(problem: Problem) -> int:
    """Return the version of the invoice that a refusal speaks of, or 0."""
    version = problem.facts.get("invoice_version")
    return version if isinstance(version, int) else 0


def refilled(form: SentForm, problem: Problem) -> Filled:
    """Return the form as it was sent, with what is wrong. A refusal uses a key up, so that the form gets a new one."""
    key = form_key(form) if problem.code in UNDECIDED else None
    return Filled(_values(form), form.get("charge_ids", ()), key or str(uuid4()), _shown_faults(problem))


def sent_again(form: SentForm) -> Filled:
    """Return the form as it was sent, under its key: what was not decided is sent again, and counts once."""
    return Filled(_values(form), (), form_key(form))


def first_fault(problem: Problem) -> str:
    """Return the code of the first thing that is wrong, where there is no field to show it beside."""
    return next(iter(_shown_faults(problem).values()))


def form_key(form: SentForm) -> str:
    """Return the command's id that a form was opened with, or nothing."""
    return (form.get(_KEY) or [""])[0]


def _values(form: SentForm) -> dict[str, str]:
    return {name: given[0] for name, given in form.items()}


def _shown_faults(problem: Problem) -> Mapping[str, str]:
    faults: dict[str, str] = {}
    for fault in _faults(problem):
        name = str(fault["field"])
        faults.setdefault(name.split("[", maxsplit=1)[0], str(fault.get("code") or name.rsplit(".", maxsplit=1)[-1]))
    return faults or {_BESIDE.get(problem.code, ""): problem.code}


def _faults(problem: Problem) -> Sequence[Mapping[str, Any]]:
    details: Any = problem.facts.get("details") or {}
    return details.get("faults") or ()
