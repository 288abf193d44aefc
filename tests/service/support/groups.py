"""Consumer groups, as Kafka describes them."""

from typing import Any, cast

from aiokafka.admin import AIOKafkaAdminClient


async def members(bootstrap: str, group: str) -> list[object]:
    """Return who is in a group."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        (described,) = await admin.describe_consumer_groups([group])
        ((_, _, _, _, _, found, *_),) = cast("Any", described).groups
        return list(found)
    finally:
        await admin.close()
