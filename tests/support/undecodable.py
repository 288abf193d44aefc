"""Records whose header name is not UTF-8, which no ordinary client can be made to publish.

A program of its own publishes them: aiokafka's pure-Python record builder must be chosen before aiokafka is imported.

    AIOKAFKA_NO_EXTENSIONS=1 python undecodable.py BOOTSTRAP TOPIC PARTITION
"""

import asyncio
import os
import sys

from aiokafka import AIOKafkaProducer


class NotText(str):
    """A header name that encodes to bytes that are not UTF-8."""

    __slots__ = ()

    def encode(self, *_: str, **__: str) -> bytes:
        """Return bytes that no decoder takes."""
        return b"\xff\xfe"


async def publish_undecodable(bootstrap: str, topic: str, partition: int = 0) -> None:
    """Run the program, which publishes one such record."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        bootstrap,
        topic,
        str(partition),
        env={**os.environ, "AIOKAFKA_NO_EXTENSIONS": "1"},
    )
    assert await process.wait() == 0


async def main(bootstrap: str, topic: str, partition: int) -> None:
    """Publish one such record; without the extensions."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait(
            topic, b"{}", key=b"any", partition=partition, headers=[(NotText("name"), b"value")]
        )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
