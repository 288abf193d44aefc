"""What a query on one invoice finds."""

from typing import NamedTuple


class Answer(NamedTuple):
    """The JSON text to serve, the account it belongs to, and the version of the invoice that it shows."""

    account_id: str
    version: int
    body: str
