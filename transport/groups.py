"""Consumer groups as the broker sees them: whether anybody is in one."""

import asyncio
from collections.abc import Collection, Mapping
from typing import NamedTuple, cast

from aiokafka.client import CoordinationType
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import DescribeGroupsRequest_v2
from aiokafka.protocol.api import Request

from transport.clients.kafka import KafkaClient


class Group(NamedTuple):
    """A consumer group: its state in Kafka's words, and the ids of its members."""

    state: str
    members: frozenset[str]


class _DescribeGroup(Request[DescribeGroupsRequest_v2]):
    """Version 2 of the request: the library reads the answer to version 3, its newest, as if it were version 2."""

    API_KEY = DescribeGroupsRequest_v2.API_KEY

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[DescribeGroupsRequest_v2]) -> DescribeGroupsRequest_v2:
        return request_struct_class([self._group])


async def describe(client: KafkaClient, names: Collection[str]) -> Mapping[str, Group]:
    """Return the groups as their coordinators describe them. One whose coordinator does not answer is left out."""
    found = await asyncio.gather(*(_describe(client, name) for name in names), return_exceptions=True)
    for error in found:
        if isinstance(error, BaseException) and not isinstance(error, (KafkaError, OSError)):
            raise error
    return {name: group for name, group in zip(names, found, strict=True) if isinstance(group, Group)}


async def _describe(client: KafkaClient, name: str) -> Group:
    coordinator = await client.coordinator_lookup(CoordinationType.GROUP, name)
    answer = await client.send(coordinator, _DescribeGroup(name))
    ((_, _, state, _, _, members),) = answer.groups
    return Group(cast("str", state), frozenset(member[0] for member in members))
