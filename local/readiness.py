"""Check from outside when the system is ready: commands are processed, and queries answered."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.error import URLError
from urllib.request import urlopen

from aiokafka.errors import KafkaError

from events.names import CLOCK_GROUP, RELAY_GROUP, TAX_SIMULATOR_GROUP, WORKER_GROUP
from local.data_folder import SystemAddresses
from projections.catalogue import MODELS
from transport.clients.kafka import bare_client
from transport.groups import Group, describe

_GROUPS_OF_ROLES: Mapping[str, Collection[str]] = {
    "worker": (WORKER_GROUP,),
    "relay": (RELAY_GROUP,),
    "projector": tuple(entry.consumer for entry in MODELS.values()),
    "clock": (CLOCK_GROUP,),
    "tax-simulator": (TAX_SIMULATOR_GROUP,),
}
"""The consumer groups that each role joins."""


@dataclass
class SystemReadiness:
    """Checks the running system from outside, as its users do."""

    running: SystemAddresses
    roles: Collection[str]
    _earlier: set[str] = field(default_factory=set[str])

    def remember_earlier(self) -> None:
        """Remember the group members from before the roles start.

        After a kill the broker counts the dead ones as members until their sessions time out.
        """
        groups = asyncio.run(self._described())
        self._earlier = {member for group in groups.values() for member in group.members}

    def missing(self) -> list[str]:
        """Return the roles that do not work yet."""
        groups = asyncio.run(self._described())
        return [role for role in self.roles if not self._works(role, groups)]

    def _works(self, role: str, groups: Mapping[str, Group]) -> bool:
        if role == "api":
            return self._api_answers()
        return all(self._joined(groups[name]) for name in _GROUPS_OF_ROLES[role])

    def _joined(self, group: Group) -> bool:
        return group.state == "Stable" and bool(group.members) and self._earlier.isdisjoint(group.members)

    async def _described(self) -> Mapping[str, Group]:
        """Return the state of each group."""
        found = {name: Group("Unknown", frozenset()) for names in _GROUPS_OF_ROLES.values() for name in names}
        async with bare_client(self.running.kafka, "up") as client:
            with suppress(KafkaError):  # the coordinator starts at the first request
                await client.bootstrap()
                found.update(await describe(client, found))
        return found

    def _api_answers(self) -> bool:
        try:
            with urlopen(f"{self.running.api}/readyz", timeout=2) as response:  # noqa: S310 - http
                return response.status == 200  # noqa: PLR2004 - OK
        except (URLError, OSError):
            return False
