"""All invoices that match, as CSV: read a part at a time, so that a slow reader holds no connection to the database."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from fastapi import Request
from fastapi.responses import StreamingResponse

from projections.invoices import queries as invoices
from projections.invoices.filters import InvoiceFilter
from projections.invoices.queries import Cut, InvoicePlace, Line
from projections.paging import Page
from web.http.reading import Reader

CSV = "text/csv"
_ROWS_AT_A_TIME = 500
_COLUMNS = (
    *("invoice_number", "account_id", "kind", "issued_on", "status", "posting_status", "buyer_name", "buyer_tax_id"),
    *("net_amount", "tax_amount", "total_amount", "due_latest", "overdue", "last_refusal"),
)
CSV_EXAMPLE = f"""{",".join(_COLUMNS)}\r
26312000000000000001,acme,special,2026-02-01,issued,unknown,Blue Sky Ltd,91330100111111111X,100.00,6.00,106.00,,false,\r
"""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a text for a formula. Source: OWASP, CSV Injection."""


def wants_csv(request: Request) -> bool:
    """Return whether a caller asks for CSV. Source: RFC 9110, 12.5.1."""
    ranges = [one.partition(";") for one in request.headers.get("accept", "").lower().split(",")]
    return any(kind.strip() == CSV and rest.replace(" ", "") != "q=0" for kind, _, rest in ranges)


async def csv_answer(reader: Reader, wanted: InvoiceFilter, cut: Cut, begin: str = "") -> StreamingResponse:
    """Return the answer with every invoice that matches, from a place on. begin: what comes before the first row.

    Raises what the first query raises; what goes wrong later breaks the answer off.
    """
    own = replace(cut, limit=_ROWS_AT_A_TIME)
    first = await reader.read(lambda connection: invoices.page(connection, wanted, own))
    headers = {
        "Content-Disposition": 'attachment; filename="invoices.csv"',
        "Cache-Control": "private, no-cache",
        "Vary": "Accept",
    }
    return StreamingResponse(_parts(reader, wanted, own, first, begin), headers=headers, media_type=CSV)


async def _parts(
    reader: Reader, wanted: InvoiceFilter, cut: Cut, page: Page[Line, InvoicePlace], begin: str
) -> AsyncIterator[str]:
    yield begin + _written([_COLUMNS, *map(_row, page.lines)])
    parts = 0
    while page.next:
        cut = replace(cut, after=page.next)
        if parts % (invoices.MAX_EXACT_COUNT // _ROWS_AT_A_TIME) == 0:
            cut = replace(cut, goes_far=await _goes_far(reader, wanted, cut))
        page = await _page(reader, wanted, cut)
        parts += 1
        yield _written([_row(line) for line in page.lines])


async def _goes_far(reader: Reader, wanted: InvoiceFilter, cut: Cut) -> bool:
    return await reader.read(lambda connection: invoices.goes_far(connection, wanted, cut))


async def _page(reader: Reader, wanted: InvoiceFilter, cut: Cut) -> Page[Line, InvoicePlace]:
    return await reader.read(lambda connection: invoices.page(connection, wanted, cut))


def _row(line: Line) -> Sequence[object]:
    shown = invoices.as_served(line)
    return (
        *(shown.invoice_number, _text(shown.account_id), shown.kind, shown.issued_on),
        *(shown.status.code, shown.posting_status, _text(shown.buyer.name), shown.buyer.tax_id),
        *(shown.net_amount, shown.tax_amount, shown.total_amount),
        shown.due_latest and shown.due_latest.isoformat(),
        *(str(shown.overdue).lower(), shown.last_refusal and shown.last_refusal.code),
    )


def _text(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _written(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
