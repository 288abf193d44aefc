"""Every read model by name. Each reads its topic by itself, so that one can stop alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from events.names import projector_group
from events.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, PARKED_TOPIC, REPLIES_TOPIC
from projections.charges import fold as charges
from projections.charges.table import charges_table
from projections.dead_letters.table import DeadLetters
from projections.details import fold as details
from projections.details.table import DetailsTable
from projections.engine.fingerprint import fingerprint
from projections.engine.read_model import Cur, Folded, ReadModel
from projections.forms import fold as forms
from projections.forms.table import forms_table
from projections.history.table import History
from projections.invoices import fold as invoices
from projections.invoices.table import InvoicesTable
from projections.publication import outbox
from projections.replies.table import Replies
from projections.returns import fold as returns
from projections.returns.table import returns_table
from projections.status import fold as status
from projections.status.table import StatusTable


class Publication(NamedTuple):
    """What a published read model does for its outbox.

    live: makes the live model, which queues every row that it changes. before_switch: queues the rows of a rebuilt
    table (its name, the number of partitions of the topic) that differ from the live one.
    """

    live: Callable[[], ReadModel]
    before_switch: Callable[[Cur, str, int], None]


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A read model in the catalogue.

    build: makes it with a suffix to the names of its tables; the live ones have none. folder: of its code.
    beside: topics that it reads beside its own. publication: given where its rows are published.
    """

    name: str
    build: Callable[[str], ReadModel]
    folder: str
    topic: str = EVENTS_TOPIC
    beside: tuple[str, ...] = ()
    publication: Publication | None = None

    @property
    def consumer(self) -> str:
        """The consumer group's name, and that of the positions."""
        return projector_group(self.name)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the code that makes its rows."""
        return fingerprint(self.folder)

    def make(self) -> ReadModel:
        """Make the live read model."""
        return self.publication.live() if self.publication else self.build("")


_ALL = (
    CatalogueEntry(
        "status",
        lambda suffix: Folded(status.fold, StatusTable(f"status{suffix}")),
        folder="status",
        publication=Publication(
            live=lambda: Folded(status.fold, StatusTable(), outbox.put), before_switch=outbox.put_again
        ),
    ),
    CatalogueEntry("details", lambda suffix: Folded(details.fold, DetailsTable(f"details{suffix}")), folder="details"),
    CatalogueEntry(
        "invoices", lambda suffix: Folded(invoices.fold, InvoicesTable(f"invoices{suffix}")), folder="invoices"
    ),
    CatalogueEntry("history", lambda suffix: History(f"history{suffix}"), folder="history"),
    CatalogueEntry("returns", lambda suffix: Folded(returns.fold, returns_table(f"returns{suffix}")), folder="returns"),
    CatalogueEntry("charges", lambda suffix: Folded(charges.fold, charges_table(f"charges{suffix}")), folder="charges"),
    CatalogueEntry("forms", lambda suffix: Folded(forms.fold, forms_table(f"forms{suffix}")), folder="forms"),
    CatalogueEntry("replies", Replies, folder="replies", topic=REPLIES_TOPIC, beside=(PARKED_TOPIC,)),
    CatalogueEntry(
        "dead_letters",
        lambda suffix: DeadLetters(f"dead_letters{suffix}"),
        folder="dead_letters",
        topic=DEAD_LETTERS_TOPIC,
    ),
)
MODELS: Mapping[str, CatalogueEntry] = {entry.name: entry for entry in _ALL}
REBUILT: Mapping[str, CatalogueEntry] = {name: entry for name, entry in MODELS.items() if entry.topic == EVENTS_TOPIC}
"""Those that can be filled from the beginning again: events are kept for ever, the other topics are not."""
