"""Invoices as the latest batches left them, so that the next batch need not load them again."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from service.invoice.state import Invoice
from service.worker.memory import Stream

MAX_RECENT_BYTES = 64 << 20
"""Of memory, about."""
OF_INVOICE, OF_CHARGE = 6 << 10, 1 << 10
"""Bytes that an invoice takes with texts of the usual length, and each of its charges."""
FORGETFUL_BATCHES = 50
"""Batches that are not remembered after a conflict: where others write to the same partitions of the log, remembering
costs more than it saves."""


class RecentInvoices:
    """Invoices, and how far this worker knows the partitions of the log that their events lie in.

    What is remembered is true as long as nobody else has written to the partition: whoever decides on it gives the
    store the last places, which refuses the batch where there is more.
    """

    def __init__(self) -> None:
        self._streams: OrderedDict[str, Stream] = OrderedDict()
        self._bytes = 0
        self._forgetful = 0
        self.last_places: dict[int, int] = {}

    def among(self, numbers: Iterable[str]) -> dict[str, Stream]:
        """Return those of these invoices that are remembered."""
        return {number: stream for number in numbers if (stream := self._streams.get(number))}

    def keep(self, streams: Mapping[str, Stream], last_places: Mapping[int, int]) -> None:
        """Remember invoices as a batch left them, and the last place it wrote in each partition; forget the oldest."""
        if self._forgetful:
            self._forgetful -= 1
            return
        self.last_places |= last_places
        for number, stream in streams.items():
            self._drop(number)
            if stream.state is not None and not stream.broken:
                self._streams[number] = stream
                self._bytes += _bytes_of(stream.state)
        while self._bytes > MAX_RECENT_BYTES:
            self._drop(next(iter(self._streams)))

    def forget(self) -> None:
        """Forget everything: somebody else has written, or may have."""
        self._streams.clear()
        self.last_places.clear()
        self._bytes, self._forgetful = 0, FORGETFUL_BATCHES

    def _drop(self, number: str) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None and stream.state is not None:
            self._bytes -= _bytes_of(stream.state)


def _bytes_of(invoice: Invoice) -> int:
    return OF_INVOICE + OF_CHARGE * len(invoice.body.charges) + 4 * len(invoice.body.remarks or "")
