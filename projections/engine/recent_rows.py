"""Rows as the latest batches left them, so that the next batch need not load them again."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString

from projections.engine.read_model import SCHEMA, Cur
from transport.positions import Move

MAX_RECENT_ROW_BYTES = 64 << 20
"""Of memory, about, for all read models together."""

_IDENTITIES: LiteralString = "select name, to_regclass(%b || '.' || name)::oid from unnest(%b::text[]) as asked (name)"


@dataclass(slots=True)
class _Known:
    """What is remembered of one read model. ends: the positions as it left them."""

    table: int | None = None
    rows: dict[str, Any] = field(default_factory=dict[str, Any])
    ends: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])


class RecentRows:
    """The rows that this process wrote last, by read model.

    They are true as long as nobody else writes: whoever does moves a position, as every projection and every parking
    does, or replaces the table, as a rebuild does. A release writes rows of parked invoices alone, of which nothing is
    remembered since they were parked.
    """

    def __init__(self, models: Iterable[str]) -> None:
        self._of_model = {model: _Known() for model in models}
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._bytes = 0

    def among(self, model: str, numbers: Iterable[str], moves: Sequence[Move], table: int | None) -> dict[str, Any]:
        """Return the rows of a read model that are remembered of these invoices, which lie in these partitions.

        table: what tells its table from any that replaces it. All its rows are forgotten where it is another one, or
        where a move does not begin where this process has left the position.
        """
        known = self._of_model[model]
        if table != known.table or any(known.ends.get(move[:2]) != move.was for move in moves):
            # Where the others were left is still true: before a row of theirs is used, that is compared, too.
            known.table, known.rows = table, {}
            self._forget_sizes_of_nothing()
        return {number: known.rows[number] for number in numbers if number in known.rows}

    def keep(self, model: str, rows: Mapping[str, Any], moves: Sequence[Move]) -> None:
        """Remember the rows of a read model as a transaction has left them."""
        known = self._of_model[model]
        known.rows.update(rows)
        known.ends.update({move[:2]: move.next for move in moves})

    def trim(self, grown: Mapping[str, int]) -> None:
        """Forget the invoices that have not changed for the longest, where there is too much.

        grown: how many bytes those of a batch have grown by, about.
        """
        for number, more in grown.items():
            self._sizes[number] = self._sizes.pop(number, 0) + more
            self._bytes += more
        while self._bytes > MAX_RECENT_ROW_BYTES:
            number, size = self._sizes.popitem(last=False)
            self._bytes -= size
            for known in self._of_model.values():
                known.rows.pop(number, None)

    def _forget_sizes_of_nothing(self) -> None:
        if not any(known.rows for known in self._of_model.values()):
            self._sizes.clear()
            self._bytes = 0

    def forget(self) -> None:
        """Forget everything."""
        self._of_model = {model: _Known() for model in self._of_model}
        self._sizes.clear()
        self._bytes = 0


def ask_identities(cur: Cur, tables: Sequence[str]) -> None:
    """Ask what tells these tables from any that replace them; `identities` returns it."""
    cur.execute(_IDENTITIES, (SCHEMA, list(tables)))


def identities(cur: Cur) -> Mapping[str, int | None]:
    """Return what `ask_identities` has asked for, by name; None for a table that is missing."""
    return dict(cur.fetchall())
