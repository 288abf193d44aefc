"""The story of one invoice, as far as the read models have seen it."""

import psycopg

from projections.details import fold as details
from projections.details.table import DetailsTable
from projections.engine.folding import Fold, Row
from projections.status import fold as status
from projections.status.table import StatusTable
from tests.projections.support import facts
from transport.addresses import Addresses

STORY = (facts.issued(), facts.posting(), facts.requested(), facts.confirmed(), facts.credited())
UNKNOWN = "26999999999999999999"
"""The number of an invoice that nobody has seen."""


def store(tables: Addresses, versions: int, models: str = "status and details") -> None:
    """Let the read models have seen this many versions of the story."""
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        if "status" in models:
            StatusTable().write(cur, [_folded(status.fold, versions)])
        if "details" in models:
            DetailsTable().write(cur, [_folded(details.fold, versions)])


def _folded(fold: Fold[Row], versions: int) -> Row:
    row = None
    for version, event in enumerate(STORY[:versions], start=1):
        row = fold(row, event, version)
    assert row is not None
    return row
