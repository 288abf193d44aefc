"""A relay that is killed when it is about to commit for the n-th time: its messages are there, its commit is not.

python relay_killed_at_commit.py BOOTSTRAP DATABASE N
"""

import asyncio
import itertools
import os
import signal
import sys

from aiokafka import AIOKafkaProducer

from service import relay
from transport.addresses import Addresses


def main(bootstrap: str, database: str, last: int) -> None:
    """Relay until the commit that is not to be."""
    commits = itertools.count(1)
    commit = AIOKafkaProducer.commit_transaction

    async def commit_or_die(self: AIOKafkaProducer) -> None:
        if next(commits) == last:
            await self.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        await commit(self)

    AIOKafkaProducer.commit_transaction = commit_or_die
    asyncio.run(relay.run(Addresses(bootstrap, database)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
