"""Checks of the system in containers, at its published ports: ``python -m scripts.container_checks WHAT``.

journeys: play the demo. returns: return a hundred invoices at once. statuses: print the status of each invoice.
shares ROLE: check that every container of a role has a share of the partitions, and that together they have all.
"""

import asyncio
import itertools
import json
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import docker
import httpx

from local.demo.journeys import journeys as play_journeys
from local.demo.stage import Servers
from tests.end_to_end.support.client import connected
from tests.service.support.orders import ask_simply, register

KAFKA, API = "127.0.0.1:9092", "http://127.0.0.1:8080"
INVOICES = 100
WITHIN = 60.0


def journeys() -> None:
    """Play the demo."""
    asyncio.run(play_journeys(Servers(KAFKA, API), print))


def returns() -> None:
    """Return invoices that nobody has seen before, and wait until all are returned."""
    asyncio.run(_returns())


async def _returns() -> None:
    head = datetime.now(UTC).strftime("26%y%m%d%H%M%S")
    numbers = [f"{head}{index:06d}" for index in range(INVOICES)]
    began = time.monotonic()
    async with connected(KAFKA) as client:
        registered = [register(number, kind="general", charges=[f"charge-{number}"]) for number in numbers]
        for commands, event in ((registered, "InvoiceIssued"), (map(ask_simply, numbers), "ReturnRequested")):
            ids = [await client.publish(command) for command in commands]
            answers = [(await client.answered(one)).answer for one in ids]
            assert answers == [event] * INVOICES, answers
        done = {*numbers}
        await client.until(
            lambda: {number for number in numbers if "InvoiceReturned" in map(_name, client.of(number))} == done,
            "every invoice returned",
        )
    print(f"{INVOICES} invoices returned in {time.monotonic() - began:.1f} s")


def _name(event: object) -> str:
    return type(event).__name__


def statuses() -> None:
    """Print the status document of every invoice, by number."""
    with httpx.Client(base_url=API, timeout=WITHIN) as http:
        print(json.dumps(dict(sorted(_statuses(http))), indent=1))


def _statuses(http: httpx.Client) -> list[tuple[str, Any]]:
    found: list[str] = []
    cursor: str | None = None
    for _ in itertools.count():
        page = http.get("/invoices", params={"limit": 200} | ({"cursor": cursor} if cursor else {})).json()
        found += [line["invoice_number"] for line in page["items"]]
        if (cursor := page.get("next_cursor")) is None:
            break
    return [(number, http.get(f"/invoices/{number}/status").json()) for number in found]


def shares(role: str) -> None:
    """Wait until the containers of a role share all partitions."""
    deadline = time.monotonic() + WITHIN
    while not _shared(role):
        if time.monotonic() > deadline:
            sys.exit(f"the containers of {role} do not share the partitions: {_assigned(role)}")
        time.sleep(0.5)
    for group, counts in sorted(_assigned(role).items()):
        print(f"{group}: {' + '.join(map(str, counts))}")


def _shared(role: str) -> bool:
    client = docker.from_env()
    running = len(client.containers.list(filters={"label": f"com.docker.compose.service={role}"}))
    found = _assigned(role)
    return bool(found) and all(
        len(counts) == running and min(counts) > 0 and sum(counts) == _all(role, group)
        for group, counts in found.items()
    )


def _all(role: str, group: str) -> int:
    return max(count for logged in _logged(role) for count in logged.get(group, (0,)))


def _assigned(role: str) -> dict[str, list[int]]:
    """Return what each container was assigned last, by consumer group."""
    found: dict[str, list[int]] = defaultdict(list)
    for logged in _logged(role):
        for group, counts in logged.items():
            found[group].append(counts[-1])
    return found


def _logged(role: str) -> list[dict[str, list[int]]]:
    client = docker.from_env()
    found: list[dict[str, list[int]]] = []
    for container in client.containers.list(filters={"label": f"com.docker.compose.service={role}"}):
        counts: dict[str, list[int]] = defaultdict(list)
        for line in container.logs().decode(errors="replace").splitlines():
            record = json.loads(line)
            if record["event"] == "partitions_assigned":
                counts[record["group"]].append(record["partitions"])
        found.append(counts)
    return found


if __name__ == "__main__":
    {"journeys": journeys, "returns": returns, "statuses": statuses, "shares": shares}[sys.argv[1]](*sys.argv[2:])
