"""Commands given over HTTP are readable whoever gives them."""

import pytest

from events.cloudevents import is_source
from web.gateway.commands import source_of


@pytest.mark.parametrize("account_id", ["acme", "a b/c?d#e", "云" * 64, "\U0001f600" * 64])
def test_every_account_has_a_source_that_a_command_may_have(account_id: str) -> None:
    assert is_source(source_of(account_id))


def test_accounts_have_sources_of_their_own() -> None:
    accounts = ["acme", "Acme", "a b", "a%20b", *("云" * length for length in range(1, 65))]
    assert len({source_of(account_id) for account_id in accounts}) == len(accounts)
    assert source_of("acme") == "urn:redletter:api:acme"
