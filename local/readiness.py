"""When the system is ready: commands are being processed, and queries answered."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.error import URLError
from urllib.request import urlopen

import psycopg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from local.running import Running

GROUPS: Mapping[str, Collection[str]] = {
    "worker": ("redletter.worker",),
    "projector": ("redletter.projector.status", "redletter.projector.details"),
    "clock": ("redletter.clock",),
    "tax-simulator": ("redletter.tax-simulator",),
}
"""The consumer groups by which each role takes part."""

_LOCK_HELD = """
    select 1 from pg_locks
    where locktype = 'advisory' and granted and objsubid = 1
        and database = (select oid from pg_database where datname = current_database())
        and classid::bigint = %(lock)s::bigint >> 32 and objid::bigint = %(lock)s::bigint & 4294967295
"""


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
        groups = asyncio.run(self._described(GROUPS))
        self._earlier = {member for _, members in groups.values() for member in members}

    def lacking(self) -> list[str]:
        """Return the roles that are not at work yet."""
        looks = {"relay": self._relays, "api": self._answers}
        groups = asyncio.run(self._described(GROUPS))
        return [
            role
            for role in self.roles
            if not (looks[role]() if role in looks else all(self._joined(*groups[name]) for name in GROUPS[role]))
        ]

    def _joined(self, state: str, members: Collection[str]) -> bool:
        return state == "Stable" and bool(members) and self._earlier.isdisjoint(members)

    async def _described(self, roles: Iterable[str]) -> Mapping[str, tuple[str, Collection[str]]]:
        """Return the state and the members' ids of each group."""
        names = [name for role in roles for name in GROUPS[role]]
        found = dict.fromkeys(names, ("Unknown", ()))
        admin = AIOKafkaAdminClient(bootstrap_servers=self.running.kafka.split(","), request_timeout_ms=5000)
        try:
            await admin.start()
            for answer in await admin.describe_consumer_groups(names):
                for _, name, state, _, _, members, *_ in answer.groups:
                    found[name] = (state, [member[0] for member in members])
        except KafkaError:  # the coordinator starts when it is first asked for
            pass
        finally:
            await admin.close()
        return found

    def _relays(self) -> bool:
        from service.relay import LOCK  # noqa: PLC0415 - the write side is only needed for this one number

        try:
            with psycopg.connect(self.running.database, connect_timeout=2) as connection:
                return connection.execute(_LOCK_HELD, {"lock": LOCK}).fetchone() is not None
        except psycopg.OperationalError:
            return False

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.running.api}/readyz", timeout=2) as answer:  # noqa: S310 - http
                return answer.status == 200  # noqa: PLR2004 - OK
        except (URLError, OSError):
            return False
