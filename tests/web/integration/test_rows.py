"""A line of the list, asked for by itself when its invoice has changed."""

from typing import Any

import pytest

from projections.details import queries as details
from tests.projections.support import facts
from tests.projections.support.asked import NUMBERS, invoice, of, project
from tests.web.support.serving import serving
from transport.addresses import Addresses

ISSUED, RETURNED = NUMBERS[:2]


async def test_the_details_are_asked_only_for_what_may_be_reissued(
    tables: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be behind, and then the line would be late for nothing."""
    ending = (facts.requested_simply(), facts.confirmed(), facts.credited(released_charge_ids=(f"of {RETURNED}",)))
    project(tables, [invoice(ISSUED)], [invoice(RETURNED), *of(RETURNED, *ending)])
    asked: list[str] = []
    found = details.of

    async def noting(connection: Any, invoice_number: str) -> Any:
        asked.append(invoice_number)
        return await found(connection, invoice_number)

    monkeypatch.setattr(details, "of", noting)
    async with serving(tables) as client:
        for number, version in ((ISSUED, 1), (RETURNED, 4)):
            row = await client.get(f"/rows/{number}", params={"min_version": version})
            assert f'data-version="{version}"' in row.text
    assert asked == [RETURNED]
