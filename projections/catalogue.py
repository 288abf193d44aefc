"""Every read model by name. Each reads for itself, so that one that stops stops alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from events.topics import DEAD_LETTERS, EVENTS, REPLIES
from projections.charges import fold as charges
from projections.charges.table import charges_table
from projections.dead_letters.table import DeadLetters
from projections.details import fold as details
from projections.details.table import DetailsTable
from projections.engine.read_model import Folded, ReadModel
from projections.forms import fold as forms
from projections.forms.table import forms_table
from projections.history.table import History
from projections.invoices import fold as invoices
from projections.invoices.table import InvoicesTable
from projections.publication import outbox
from projections.replies.table import Answered
from projections.returns import fold as returns
from projections.returns.table import returns_table
from projections.status import fold as status
from projections.status.table import StatusTable


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A read model in the catalogue.

    build: makes it with a suffix to the names of its tables; the live ones have none. live: the same, with what it
    does besides when it is the live one.
    """

    name: str
    build: Callable[[str], ReadModel]
    topic: str = EVENTS
    live: Callable[[], ReadModel] | None = None

    @property
    def consumer(self) -> str:
        """The consumer group's name, and that of the positions."""
        return f"redletter.projector.{self.name.replace('_', '-')}"

    def make(self) -> ReadModel:
        """Make the live read model."""
        return self.live() if self.live else self.build("")


_ALL = (
    CatalogueEntry(
        "status",
        lambda suffix: Folded(status.fold, StatusTable(f"status{suffix}")),
        live=lambda: Folded(status.fold, StatusTable(), outbox.put),
    ),
    CatalogueEntry("details", lambda suffix: Folded(details.fold, DetailsTable(f"details{suffix}"))),
    CatalogueEntry("invoices", lambda suffix: Folded(invoices.fold, InvoicesTable(f"invoices{suffix}"))),
    CatalogueEntry("history", lambda suffix: History(f"history{suffix}")),
    CatalogueEntry("returns", lambda suffix: Folded(returns.fold, returns_table(f"returns{suffix}"))),
    CatalogueEntry("charges", lambda suffix: Folded(charges.fold, charges_table(f"charges{suffix}"))),
    CatalogueEntry("forms", lambda suffix: Folded(forms.fold, forms_table(f"forms{suffix}"))),
    CatalogueEntry("answered", lambda suffix: Answered(f"answered{suffix}"), REPLIES),
    CatalogueEntry("dead_letters", lambda suffix: DeadLetters(f"dead_letters{suffix}"), DEAD_LETTERS),
)
MODELS: Mapping[str, CatalogueEntry] = {entry.name: entry for entry in _ALL}
REBUILT: Mapping[str, CatalogueEntry] = {name: entry for name, entry in MODELS.items() if entry.topic == EVENTS}
"""Those that can be filled again from the beginning: events are kept for ever, the other topics are not."""
