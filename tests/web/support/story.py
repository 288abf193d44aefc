"""The story of one invoice, as far as the read models have seen it."""

import psycopg

from projections.details import fold as details
from projections.details.table import DetailsTable
from projections.engine.read_model import Folded
from projections.status import fold as status
from projections.status.table import StatusTable
from tests.projections.support import facts
from tests.projections.support.published import messages, records
from transport.addresses import Addresses

STORY = (facts.issued(), facts.posting(), facts.requested(), facts.confirmed(), facts.credited())
UNKNOWN = "26999999999999999999"
"""The number of an invoice that nobody has seen."""


def store(tables: Addresses, versions: int, models: str = "status and details") -> None:
    """Let the read models have seen this many versions of the story."""
    topic = records(messages(STORY[:versions]))
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        if "status" in models:
            Folded(status.fold, StatusTable()).project(cur, topic)
        if "details" in models:
            Folded(details.fold, DetailsTable()).project(cur, topic)
