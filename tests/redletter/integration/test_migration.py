"""What `migrate` says of servers that it cannot bring up to date."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from events.topics import RELAY_TOPIC
from redletter.migration import create_or_upgrade
from transport.addresses import Addresses
from transport.topics import TopicMismatch


async def test_a_relay_topic_of_one_partition_is_said_to_be_of_an_earlier_form(addresses: Addresses) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=addresses.kafka)
    await admin.start()
    try:
        await admin.delete_topics([RELAY_TOPIC])
        async with asyncio.timeout(60):
            while RELAY_TOPIC in await admin.list_topics():
                await asyncio.sleep(0.02)
        await admin.create_topics([NewTopic(RELAY_TOPIC, 1, 1)])
    finally:
        await admin.close()
    with pytest.raises(TopicMismatch, match="made before the log had partitions"):
        await asyncio.to_thread(create_or_upgrade, addresses, 8)
