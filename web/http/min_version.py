"""Read your own writes: a query waits until the read model has reached the version that the caller knows of."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from projections.answers import Accounts, Answer, includes
from rules.numbers import is_number
from web.http.problems import Problem

LONGEST_WAIT = 30.0
"""Seconds that a query may wait at most."""
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.2
"""Seconds between two looks: short at first, since a projector is seldom more than a moment behind."""


Look = Callable[[], Awaitable[Answer | None]]


async def found(look: Look, *, accounts: Accounts, min_version: int, wait: float) -> Answer:
    """Return the answer once it shows ``min_version`` or more. wait: seconds.

    Raises: Problem INVOICE_NOT_FOUND for an unknown invoice or another account's, NOT_YET_PROJECTED after the wait, or
    at once where the read model has parked the invoice: waiting does not help then.
    """
    end = time.monotonic() + wait
    pause = FIRST_PAUSE
    while True:
        answer = await look()
        if answer is not None and not includes(accounts, answer.account_id):
            answer = None  # from here on another account's invoice is an unknown one
        reached = 0 if answer is None else answer.version
        if answer is not None and reached >= min_version:
            return answer
        if reached >= min_version:
            raise not_found()
        if answer is not None and answer.out_of_date is not None:
            raise _not_before_a_release(reached, min_version, json.loads(answer.out_of_date))
        left = end - time.monotonic()
        if left <= 0:
            raise not_yet(reached, min_version)
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 2, LONGEST_PAUSE)


def check_number(number: str) -> None:
    """Refuse what cannot be the number of an invoice. Raises: Problem INVOICE_NOT_FOUND."""
    if not is_number(number):
        raise not_found()


def not_found() -> Problem:
    """Return the answer to the number of an unknown invoice, or of another account's: the two are not told apart."""
    return Problem(HTTPStatus.NOT_FOUND, "INVOICE_NOT_FOUND", "There is no such invoice.")


def not_issued_yet() -> Problem:
    """Return the answer to a question about a moment before the invoice was issued."""
    return Problem(HTTPStatus.NOT_FOUND, "INVOICE_NOT_FOUND", "The invoice was not issued yet at that time.")


def not_yet(reached: int, min_version: int) -> Problem:
    """Return the answer to a question about a version that the read model has not reached."""
    detail = f"The read model has reached version {reached} of this invoice, not yet {min_version}."
    return Problem(HTTPStatus.CONFLICT, "NOT_YET_PROJECTED", detail, version=reached, min_version=min_version)


def _not_before_a_release(reached: int, min_version: int, out_of_date: dict[str, str]) -> Problem:
    detail = (
        f"The read model has reached version {reached} of this invoice and cannot show version {min_version}, since it "
        "failed on the next event. Waiting does not help; operators release the invoice once the fault is fixed."
    )
    facts = {"version": reached, "min_version": min_version}
    return Problem(HTTPStatus.CONFLICT, "NOT_YET_PROJECTED", detail, **facts, out_of_date={**out_of_date})
