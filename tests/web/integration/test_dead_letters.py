"""Operators see which records could not be read, and what became of each."""

import httpx
import psycopg

from projections.dead_letters.handling import discard
from projections.dead_letters.queries import LetterFilter, find_letters
from tests.projections.support.letters import CUSTOMER, letter, project
from tests.web.support.serving import measured, serving
from transport.addresses import Addresses


async def test_the_page_the_board_and_the_metrics_tell_waiting_dead_letters_from_others(tables: Addresses) -> None:
    project(tables, [letter(1), letter(2), letter(3, reason="FAULT", key=b"26312000000000000001")])
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        discard(cur, find_letters(cur, LetterFilter(places=[f"{CUSTOMER}/0/1"])), by="ada", why="<b>a test</b>")
    async with serving(tables) as client:
        await measured(
            client,
            'redletter_dead_letters{reason="MALFORMED_COMMAND"} 2.0',
            'redletter_dead_letters_waiting{reason="MALFORMED_COMMAND"} 1.0',
            'redletter_dead_letters_waiting{reason="FAULT"} 1.0',
        )
        operations = (await client.get("/operations")).json()
        assert operations["dead_letters_by_reason"] == {"FAULT": 1, "MALFORMED_COMMAND": 2}
        assert operations["dead_letters_waiting"] == {"FAULT": 1, "MALFORMED_COMMAND": 1}
        assert [(one["record_offset"], one["outcome"]) for one in operations["dead_letters"]] == [
            (1, "discarded"),
            (2, "waiting"),
            (3, "waiting"),
        ]
        assert "<strong>FAULT</strong> × 1" in (await client.get("/board")).text
        await assert_page(client)


async def assert_page(client: httpx.AsyncClient) -> None:
    page = (await client.get("/board/dead-letters")).text
    assert f"{CUSTOMER}/0/1" in page
    assert "<bdi>ada</bdi>" in page
    assert "&lt;b&gt;a test&lt;/b&gt;" in page
    assert '<a href="/details/26312000000000000001">' in page
    assert page.count("Waiting") == 2
