"""Commands as lines that `redletter send` reads."""

RETURN = (
    b'{"type": "RequestReturn", "id": "r-1", "data": {"invoice_number": "26312000000000000001", "account_id": "a"}}'
)
AMEND = RETURN.replace(b"RequestReturn", b"AmendInvoice").replace(b"r-1", b"a-1")
