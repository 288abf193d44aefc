"""Whatever commands meet a bug: after a fix and a release, the log is as if there had been none."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.store.event_store import Store
from service.worker.releasing import Releasing
from tests.service.support.parking import Writing, ask_return, cancel, facts, of, register
from tests.service.support.records import MOMENTS
from tests.support.fresh_system import database
from transport.addresses import Addresses
from transport.records import ConsumerRecord

NUMBERS = [f"26{number:018d}" for number in range(1, 5)]
KINDS = ["register", "return", "cancel", "observe", "again"]


class Mix(NamedTuple):
    """Commands of several invoices, the invoices whose decisions raise, and how many commands each batch has."""

    steps: list[tuple[str, str]]
    broken: set[str]
    size: int


MIXES = st.builds(
    Mix,
    st.lists(st.tuples(st.sampled_from(NUMBERS), st.sampled_from(KINDS)), min_size=1, max_size=30),
    st.sets(st.sampled_from(NUMBERS), min_size=1),
    st.integers(1, 8),
)
OBSERVED = {"posting_status": "recorded", "observed_at": "2026-02-13T01:00:00Z"}


def records_of(steps: Sequence[tuple[str, str]]) -> list[ConsumerRecord]:
    """Return a record for each step, under an id of its own; a step again repeats the record before it."""
    made: list[ConsumerRecord] = []
    for index, (number, step) in enumerate(steps):
        id_ = str(index)
        match step:
            case "register":
                made.append(register(number, id_))
            case "return":
                made.append(ask_return(number, id_))
            case "observe":
                made.append(of(number, "RecordPostingStatus", OBSERVED, id_))
            case "again" if made:
                made.append(made[-1])
            case _:
                made.append(cancel(number, id_))
    return made


def said(database_url: str) -> dict[str, list[bytes]]:
    """Return the replies about each invoice in order."""
    found: dict[str, list[bytes]] = defaultdict(list)
    with psycopg.connect(database_url) as connection:
        query = "select subject, value from redletter.replies order by partition, place"
        for number, value in connection.execute(query):
            found[number].append(value)
    return found


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mix=MIXES)
def test_after_a_fix_and_a_release_all_is_as_if_there_had_been_no_bug(
    servers: Addresses, template: str, bugs: set[str], mix: Mix
) -> None:
    outcomes: list[Any] = []
    for faulty in (frozenset[str](), mix.broken):
        with database(servers, template) as url:
            store = Store(url)
            bugs |= faulty
            writing, records = Writing(store), records_of(mix.steps)
            for first in range(0, len(records), mix.size):
                writing.take(*records[first : first + mix.size])
            bugs.clear()
            for parked in store.parked():
                assert Releasing(store, MOMENTS).release(parked.invoice_number).error is None
            store.close()
            outcomes.append((facts(url), said(url)))
    assert outcomes[0] == outcomes[1]
