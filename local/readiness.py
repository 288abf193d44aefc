"""When the system is ready: commands are being processed, and queries answered."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.error import URLError
from urllib.request import urlopen

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from local.running import Running
from projections.catalogue import MODELS
from transport.groups import Group, describe

GROUPS: Mapping[str, Collection[str]] = {
    "worker": ("redletter.worker",),
    "relay": ("redletter.relay",),
    "projector": tuple(entry.consumer for entry in MODELS.values()),
    "clock": ("redletter.clock",),
    "tax-simulator": ("redletter.tax-simulator",),
}
"""The consumer groups by which each role takes part."""


@dataclass
class Readiness:
    """Looks at the running system from outside, as its users do."""

    running: Running
    roles: Collection[str]
    _earlier: set[str] = field(default_factory=set[str])

    def remember_earlier(self) -> None:
        """Remember the group members that are there before the roles start.

        After a kill the broker counts the dead ones as members until their sessions run out.
        """
        groups = asyncio.run(self._described())
        self._earlier = {member for group in groups.values() for member in group.members}

    def lacking(self) -> list[str]:
        """Return the roles that are not at work yet."""
        groups = asyncio.run(self._described())
        return [
            role
            for role in self.roles
            if not (self._answers() if role == "api" else all(self._joined(groups[name]) for name in GROUPS[role]))
        ]

    def _joined(self, group: Group) -> bool:
        return group.state == "Stable" and bool(group.members) and self._earlier.isdisjoint(group.members)

    async def _described(self) -> Mapping[str, Group]:
        """Return how each group is."""
        found = {name: Group("Unknown", frozenset()) for names in GROUPS.values() for name in names}
        client = AIOKafkaClient(bootstrap_servers=cast("Any", self.running.kafka.split(",")))
        try:
            await client.bootstrap()
            found.update(await describe(client, found))
        except KafkaError:  # the coordinator starts when it is first asked for
            pass
        finally:
            await client.close()
        return found

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.running.api}/readyz", timeout=2) as answer:  # noqa: S310 - http
                return answer.status == 200  # noqa: PLR2004 - OK
        except (URLError, OSError):
            return False
