"""Codecs, and a topic that the broker compresses with one of them."""

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from transport.addresses import Addresses

CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
"""The names of the codecs, with their numbers in a batch."""


async def compress(addresses: Addresses, topic: str, codec: str) -> None:
    """Let the broker write a topic with a codec, whatever publishers choose."""
    admin = AIOKafkaAdminClient(bootstrap_servers=addresses.kafka)
    await admin.start()
    try:
        settings = ConfigResource(ConfigResourceType.TOPIC, topic, {"compression.type": codec})
        await admin.alter_configs([settings])
    finally:
        await admin.close()
