"""Work on a batch in one PostgreSQL transaction, together with the positions that the batch moves."""

from collections.abc import Callable

from psycopg import Cursor
from psycopg.rows import TupleRow

from transport import positions
from transport.batch import Batch
from transport.clients.postgres import KeptSession

Apply = Callable[[Cursor[TupleRow], Batch], None]


class TransactionalWork:
    """`transport.batch.Work` that applies each batch in one transaction, or raises and stores nothing."""

    def __init__(
        self,
        database: str,
        *,
        consumer: str,
        role: str,
        apply: Apply,
        committed: Callable[[], None] = lambda: None,
        **settings: str,
    ) -> None:
        """Make the work; its session is opened by the first batch.

        consumer: the name of the positions. committed: called after each transaction, in the working thread.
        settings: PostgreSQL's, which keep a frozen process from holding up its successor, such as
        ``transaction_timeout="20s"``.
        """
        self._consumer = consumer
        self._apply = apply
        self._committed = committed
        self._session = KeptSession(database, role, **settings)

    def handle(self, batch: Batch) -> None:
        """Apply the batch and commit its positions. Raises: PositionLost, psycopg.Error, and what ``apply`` raises."""
        self.handle_by(self._apply, batch)

    def handle_by(self, apply: Apply, batch: Batch) -> None:
        """Apply the batch in another way, and commit its positions. Raises: as `handle`."""
        with self._session.use() as connection, connection.transaction(), connection.cursor() as cur:
            # Positions first: their locks keep an earlier owner of a partition from writing beside this one.
            positions.advance(cur, self._consumer, batch.moves)
            apply(cur, batch)
        self._committed()

    def close(self) -> None:
        """Close the session once no batch is being worked on."""
        self._session.close()
