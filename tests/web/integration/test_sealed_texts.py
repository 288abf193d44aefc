"""Sealed texts are opened for whoever asks; a key that cannot be had is no erasure."""

from base64 import urlsafe_b64decode

import psycopg
import pytest

from events.compact_jwe import seal, unseal
from events.sealing import take_out
from events.values import Buyer
from projections.details import fold as details
from projections.details.table import DetailsTable
from projections.engine.read_model import Folded
from projections.history.table import History
from projections.invoices import fold as invoices
from projections.invoices.table import InvoicesTable
from projections.status import fold as status
from projections.status.table import StatusTable
from rules.key_wrapping import OutsideKey
from tests.projections.support import facts
from tests.projections.support.published import messages, records
from tests.web.support.serving import problem, serving
from transport.addresses import Addresses

KEY, OUTSIDE = bytes(range(32)), OutsideKey(b"outside key of these tests, 32 b")
BUYER = "\u5f20\u4e09"
PATHS = ("", "/history", "?as_of=2999-01-01T00:00:00Z")


@pytest.fixture
def sealed(tables: Addresses) -> Addresses:
    """Let the read models have seen an invoice whose texts are sealed."""
    blank, texts = take_out(facts.issued(buyer=Buyer(name=BUYER)))
    topic = records(messages([blank.but(sealed=seal(KEY, facts.NUMBER, texts))]))
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        for model in (
            Folded(status.fold, StatusTable()),
            Folded(details.fold, DetailsTable()),
            Folded(invoices.fold, InvoicesTable()),
            History(),
        ):
            model.project(cur, topic)
        cur.execute("delete from redletter.invoice_keys")
        kept = OUTSIDE.wrap(KEY, facts.NUMBER)
        cur.execute("insert into redletter.invoice_keys values (%s, %s, %s)", [facts.NUMBER, *kept])
    return tables


async def test_an_answer_has_the_texts_and_so_has_the_page(sealed: Addresses) -> None:
    async with serving(sealed, key_wrapping=OUTSIDE) as client:
        for path in PATHS:
            body = (await client.get(f"/invoices/{facts.NUMBER}{path}")).text
            assert (BUYER in body, "sealed" in body) == (True, False), path
        for path in (f"/invoices?q={facts.NUMBER}", f"/invoices.csv?q={facts.NUMBER}", f"/?q={facts.NUMBER}"):
            assert BUYER in (await client.get(path)).text, path
        assert BUYER in (await client.get(f"/details/{facts.NUMBER}")).text


async def test_a_consumer_gets_the_key_of_an_invoice_that_it_may_see(sealed: Addresses) -> None:
    path = f"/invoices/{facts.NUMBER}/key?min_version=1&wait=1"
    async with serving(sealed, key_wrapping=OUTSIDE) as client:
        answer = await client.get(path)
        assert (answer.json()["kid"], answer.headers["cache-control"]) == (facts.NUMBER, "no-store")
        key = urlsafe_b64decode(answer.json()["k"] + "=")
        assert unseal(key, seal(KEY, facts.NUMBER, {"/remarks": "r"})) == {"/remarks": "r"}
        foreign = await client.get(f"/invoices/{facts.NUMBER}/key?account_id=another")
        assert problem(foreign) == (404, "INVOICE_NOT_FOUND")


@pytest.mark.parametrize("path", [*PATHS, "/key"])
async def test_without_the_key_from_outside_nothing_is_shown_as_if_it_were_erased(sealed: Addresses, path: str) -> None:
    async with serving(sealed) as client:
        assert problem(await client.get(f"/invoices/{facts.NUMBER}{path}")) == (503, "KEYS_UNAVAILABLE")


async def test_what_is_erased_is_shown_without_its_texts(sealed: Addresses) -> None:
    with psycopg.connect(sealed.database) as connection:
        connection.execute("delete from redletter.invoice_keys")
    async with serving(sealed, key_wrapping=OUTSIDE) as client:
        assert (await client.get(f"/invoices/{facts.NUMBER}")).json()["invoice"]["buyer"] == {"name": "[sealed]"}
        assert problem(await client.get(f"/invoices/{facts.NUMBER}/key")) == (404, "INVOICE_HAS_NO_KEY")
