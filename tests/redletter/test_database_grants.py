"""What the roles are not allowed in PostgreSQL."""

import pytest

from redletter.database_grants import grants

OF_COMMANDS = ("parked_commands", "invoice_events", "replies", "dead_letters", "claims")


@pytest.mark.parametrize("table", OF_COMMANDS)
def test_the_api_reads_no_table_that_holds_what_others_have_sent(table: str) -> None:
    of_api = {grant.on for grant in grants() if grant.role == "redletter_api"}
    assert "redletter.parked_invoices" in of_api  # how many wait is on the board
    assert f"redletter.{table}" not in of_api
