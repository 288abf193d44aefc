"""What a query on one invoice finds."""

from typing import NamedTuple


class Answer(NamedTuple):
    """The JSON text to serve, the account it belongs to, and the version that the read model has reached.

    body: None if the invoice did not exist yet at the moment that was asked about.
    """

    account_id: str
    version: int
    body: str | None
