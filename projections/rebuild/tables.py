"""The new tables beside the live ones: created, compared, and renamed to replace them."""

from collections.abc import Sequence
from typing import LiteralString, NamedTuple

from aiokafka import TopicPartition
from psycopg.sql import SQL, Identifier

from projections.catalogue import CatalogueEntry
from projections.engine.read_model import SCHEMA, Cur, about, is_there
from transport import positions as stored_positions

NEW, OLD = "__new", "__old"
"""Suffixes of the tables' names: being filled, and replaced."""
_LOCK_TIMEOUT = "2s"
"""How long a switch may hold up queries while it waits for one that is running."""

CREATE_BUILT = """
    create table if not exists projections.built (
        model text primary key,
        code text not null, -- of the live tables
        being_built_by text -- of the tables beside them, while there are any
    )
"""
_RETIRE_OTHERS = """
    with own as (
        insert into projections.writers (model, code) values (%(model)s, %(code)s)
        on conflict (model, code) do update set retired = false
    )
    update projections.writers set retired = true where model = %(model)s and code <> %(code)s
"""
_DELETE_SKIPPED = "delete from projections.skipped where model = %s"
_DELETE_PARKED = "delete from projections.parked where model = %s"
_RENAME_PARKED = "update projections.parked set model = %s where model = %s"
_UNPARKED: LiteralString = """
    {table} as t where not exists (
        select from projections.parked as p where p.model = any(%(models)s) and p.invoice_number = t.invoice_number
    )
"""
"""The rows to compare: an invoice that the live or the new tables have parked differs, and is reported as parked."""
_HASH: LiteralString = "select count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text from {rows}"
_ONLY: LiteralString = "(select t::text from {rows} except select t::text from {others}) limit 3"


class Contents(NamedTuple):
    """How many rows tables have, and a hash over all of them, whatever their order."""

    rows: int
    hashes: tuple[str, ...]


def rebuilding(entry: CatalogueEntry) -> str:
    """Return the name under which the positions of a rebuild are kept."""
    return stored_positions.rebuild_of(entry.consumer)


def begin(cur: Cur, entry: CatalogueEntry, code: str) -> bool:
    """Create the new tables, or keep those of an interrupted rebuild by the same code; return whether they are kept.

    Old tables that a killed rebuild did not drop after its switch are dropped.
    """
    drop_tables(cur, entry, OLD)
    cur.execute("select being_built_by from projections.built where model = %s", (entry.name,))
    left_by = (cur.fetchone() or (None,))[0]
    if left_by == code and is_there(cur, entry.build(NEW).names()[0]):
        return True
    drop_tables(cur, entry, NEW)
    cur.execute(_DELETE_PARKED, (entry.name + NEW,))
    entry.build(NEW).create(cur)
    stored_positions.forget(cur, rebuilding(entry))
    cur.execute("update projections.built set being_built_by = %s where model = %s", (code, entry.name))
    return False


def left_over(cur: Cur, entry: CatalogueEntry) -> list[str]:
    """Return the names of the tables that a switch has replaced and that still exist."""
    return [name for name in entry.build(OLD).names() if is_there(cur, name)]


def drop_tables(cur: Cur, entry: CatalogueEntry, suffix: str) -> None:
    """Drop the tables with a suffix, if they exist."""
    for name in entry.build(suffix).names():
        cur.execute(about(name, "drop table if exists {table}"))


def give_up(cur: Cur, entry: CatalogueEntry) -> None:
    """Drop the new tables, their positions and what they have parked."""
    drop_tables(cur, entry, NEW)
    cur.execute(_DELETE_PARKED, (entry.name + NEW,))
    stored_positions.forget(cur, rebuilding(entry))
    cur.execute("update projections.built set being_built_by = null where model = %s", (entry.name,))


def positions_of(cur: Cur, consumer: str, entry: CatalogueEntry, *, pause: bool = False) -> dict[TopicPartition, int]:
    """Return a consumer's positions; with ``pause`` it cannot move them until this transaction ends."""
    return stored_positions.of_topic(cur, consumer, entry.topic, lock=pause)


def contents(cur: Cur, entry: CatalogueEntry, suffix: str = "") -> Contents:
    """Return what is in the tables with a suffix, without the invoices that are parked."""
    rows, hashes = 0, list[str]()
    for name in entry.build(suffix).names():
        cur.execute(SQL(_HASH).format(rows=about(name, _UNPARKED)), _either(entry))
        for count, hashed in cur.fetchall():
            rows += count
            hashes.append(hashed)
    return Contents(rows, tuple(hashes))


def differences(cur: Cur, entry: CatalogueEntry) -> list[str]:
    """Return a few rows that only the live tables have, and a few that only the new ones have."""
    lines: list[str] = []
    for live, new in zip(entry.build("").names(), entry.build(NEW).names(), strict=True):
        for mark, table, other in (("live only", live, new), ("new only", new, live)):
            names = {"rows": about(table, _UNPARKED), "others": about(other, _UNPARKED)}
            cur.execute(SQL(_ONLY).format(**names), _either(entry))
            lines += [f"{mark}, {live}: {row}" for (row,) in cur.fetchall()]
    return lines


def _either(entry: CatalogueEntry) -> dict[str, list[str]]:
    return {"models": [entry.name, entry.name + NEW]}


def switch(cur: Cur, entry: CatalogueEntry, code: str, partitions: int) -> None:
    """Replace the live tables by the new ones; the replaced ones stay until they are dropped.

    Raises: psycopg.errors.LockNotAvailable when a query runs longer than `_LOCK_TIMEOUT`.
    """
    if entry.publication:
        (table,) = entry.build(NEW).names()
        entry.publication.before_switch(cur, table, partitions)
    drop_tables(cur, entry, OLD)
    cur.execute(SQL("set local lock_timeout = {}").format(_LOCK_TIMEOUT))
    live, new, old = (entry.build(suffix).names() for suffix in ("", NEW, OLD))
    _rename(cur, live, old)
    _rename(cur, new, live)
    stored_positions.forget(cur, rebuilding(entry))
    done = "update projections.built set code = %s, being_built_by = null where model = %s"
    cur.execute(done, (code, entry.name))
    cur.execute(_RETIRE_OTHERS, {"model": entry.name, "code": code})
    cur.execute(_DELETE_SKIPPED, (entry.name,))
    cur.execute(_DELETE_PARKED, (entry.name,))
    cur.execute(_RENAME_PARKED, (entry.name, entry.name + NEW))


def _rename(cur: Cur, names: Sequence[str], to: Sequence[str]) -> None:
    for before, after in zip(names, to, strict=True):
        cur.execute(SQL("alter table if exists {} rename to {}").format(Identifier(SCHEMA, before), Identifier(after)))
