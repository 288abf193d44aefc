"""Changes of tables wait for their locks in short turns, so that nobody queues up behind them."""

import threading
import time
from collections.abc import Callable
from functools import partial

import psycopg
import pytest

from projections import schema as read_side
from service.store import schema as write_side
from tests.conftest import PARTITIONS
from transport.addresses import Addresses

pytestmark = pytest.mark.integration

IN_THE_WAY = 3.0
"""Seconds, longer than one turn."""


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("redletter.migrate", partial(write_side.migrate, partitions=PARTITIONS)),
        ("redletter projections", read_side.ensure),
    ],
)
def test_a_lock_that_is_held_for_a_while_is_asked_for_again(
    addresses: Addresses, name: str, change: Callable[[str], None]
) -> None:
    with psycopg.connect(addresses.database, autocommit=True) as holder:
        holder.execute("select pg_advisory_lock(hashtext(%s))", (name,))
        timer = threading.Timer(IN_THE_WAY, holder.execute, ("select pg_advisory_unlock_all()",))
        timer.start()
        began = time.monotonic()
        change(addresses.database)
        waited = time.monotonic() - began
        timer.join()
    assert waited > IN_THE_WAY - 0.5
