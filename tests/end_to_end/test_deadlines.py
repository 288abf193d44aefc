"""A return that is late is marked so once, also when nobody was there at that moment."""

from pathlib import Path

from events.commands import AnyCommand
from events.invoice_events import InvoiceReturned, ReturnOverdue, ReturnRequested
from tests.end_to_end.support.client import Client, connected
from tests.faults.support.roles import Roles
from tests.service.support.orders import NUMBER, OTHER_NUMBER, ask_simply, complete, confirm, credit, register
from transport.addresses import Addresses

LATE = "P20D"
"""Past the end of the third business day, whatever holidays come."""


async def returning(client: Client, number: str) -> ReturnRequested:
    """Bring an invoice to where its return is under way."""
    commands: list[AnyCommand] = [register(number, kind="general", charges=[number]), ask_simply(number)]
    *_, answered = [await client.submit(command) for command in commands]
    (event,) = answered.events
    assert isinstance(event, ReturnRequested)
    return event


def overdue(client: Client, number: str) -> list[ReturnOverdue]:
    return [event for event in client.of(number) if isinstance(event, ReturnOverdue)]


async def test_a_return_becomes_overdue_once_though_the_clock_was_down_at_that_moment(
    addresses: Addresses, tmp_path: Path
) -> None:
    """Time is made to pass while worker and clock are stopped. Work continues after the mark."""
    roles = Roles(addresses, tmp_path)
    roles.start("worker", "relay")
    try:
        async with connected(addresses.kafka) as client:
            requested = await returning(client, NUMBER)
            roles.stop("worker")
            roles.environment["REDLETTER_CLOCK_SHIFT"] = LATE
            roles.start("worker", "clock")
            await client.until(lambda: bool(overdue(client, NUMBER)), "the mark")
            roles.kill("clock")
            roles.start("clock")
            # The next mark of all would come after any that the clock sent again.
            await late_as_well(client, roles)
            (mark,) = overdue(client, NUMBER)
            assert mark.due_latest == requested.due_latest < mark.occurred_at

            *_, end = [await client.submit(command) for command in finished(NUMBER)]
            (returned,) = end.events
            assert isinstance(returned, InvoiceReturned)
            assert returned.business_days_used > 3
            codes = {reply.get("code") for replies in client.replies.values() for reply in replies}
            assert codes == {None}, "MarkReturnOverdue is never refused"
    finally:
        roles.leave()


async def late_as_well(client: Client, roles: Roles) -> None:
    """Let another return be requested in the past, and marked."""
    roles.stop("worker")
    shift = roles.environment.pop("REDLETTER_CLOCK_SHIFT")
    roles.start("worker")
    await returning(client, OTHER_NUMBER)
    roles.stop("worker")
    roles.environment["REDLETTER_CLOCK_SHIFT"] = shift
    roles.start("worker")
    await client.until(lambda: bool(overdue(client, OTHER_NUMBER)), "the second mark")


def finished(number: str) -> list[AnyCommand]:
    """Return the commands of the tax side for a return that succeeds."""
    return [confirm(number, kind="general", state="01"), credit(number), complete(number)]
