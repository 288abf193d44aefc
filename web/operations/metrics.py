"""Metrics for Prometheus."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from web.operations.condition import Condition
from web.operations.lag import Lag
from web.operations.queries import Board


def exposition(*metrics: Iterator[Metric]) -> bytes:
    """Write metrics as Prometheus reads them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected([one for some in metrics for one in some]))
    return generate_latest(registry)


class _Collected(Collector):
    """Metrics that were collected already."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Sequence[Metric]:
        return self._metrics


def of_reach(reached: Mapping[str, bool]) -> Iterator[Metric]:
    """Yield which servers answered."""
    up = GaugeMetricFamily("redletter_server_up", "Whether a server answers this api: 1 or 0", labels=["server"])
    for server, is_up in reached.items():
        up.add_metric([server], is_up)
    yield up


def of_board(board: Board) -> Iterator[Metric]:
    """Yield answers, open returns and dead letters."""
    answers = CounterMetricFamily(
        "redletter_answers", "Commands answered, by type and answer (ACCEPTED or a code)", labels=["command", "answer"]
    )
    alarms = CounterMetricFamily("redletter_alarms", "Refusals that need attention", labels=["command", "answer"])
    for one in board.answers:
        answers.add_metric([one.command_type, one.answer], one.times)
        if one.alarming:
            alarms.add_metric([one.command_type, one.answer], one.times)
    returns = GaugeMetricFamily("redletter_open_returns", "Open returns by phase", labels=["phase"])
    overdue = GaugeMetricFamily(
        "redletter_overdue_returns", "Open returns that are overdue, by phase", labels=["phase"]
    )
    for phase in board.phases:
        returns.add_metric([phase.phase], phase.returns)
        overdue.add_metric([phase.phase], phase.overdue)
    letters = GaugeMetricFamily("redletter_dead_letters", "Unreadable records by reason", labels=["reason"])
    waiting = GaugeMetricFamily(
        "redletter_dead_letters_waiting",
        "Unreadable records that were neither replayed nor discarded, by reason",
        labels=["reason"],
    )
    for one in board.letter_counts:
        letters.add_metric([one.reason], one.letters)
        waiting.add_metric([one.reason], one.waiting)
    yield from (answers, alarms, returns, overdue, letters, waiting)


def of_condition(known: Condition) -> Iterator[Metric]:
    """Yield what is unpublished, unread, gone and stopped."""
    entries = GaugeMetricFamily("redletter_unpublished_entries", "Entries of the log that are not published yet")
    entries.add_metric([], known.unpublished)
    seconds = GaugeMetricFamily("redletter_unpublished_seconds", "Age of the oldest of them")
    seconds.add_metric([], known.seconds)
    unread = GaugeMetricFamily("redletter_unread_partitions", "Partitions not read, by consumer", labels=["consumer"])
    for consumer, count in Counter(one.consumer for one in known.partitions if one.unread is not None).items():
        unread.add_metric([consumer], count)
    gone = CounterMetricFamily(
        "redletter_offsets_gone",
        "Offsets deleted before they were read, by consumer; those of transaction markers count too",
        labels=["consumer"],
    )
    lost: Counter[str] = Counter()
    for one in known.partitions:
        lost[one.consumer] += one.gone
    for consumer, count in lost.items():
        gone.add_metric([consumer], count)
    stopped = GaugeMetricFamily(
        "redletter_stopped_partitions", "Partitions on which a read model has stopped", labels=["model"]
    )
    for model, count in _stopped(known).items():
        stopped.add_metric([model], count)
    out_of_date = GaugeMetricFamily(
        "redletter_out_of_date_invoices",
        "Invoices that a read model has parked, since it cannot fold an event",
        labels=["model"],
    )
    for one in known.out_of_date:
        out_of_date.add_metric([one.model], one.invoices)
    parked = GaugeMetricFamily("redletter_parked_invoices", "Invoices with a command that could not be decided")
    parked.add_metric([], known.parked.invoices)
    waiting = GaugeMetricFamily("redletter_parked_commands", "Commands that wait for parked invoices")
    waiting.add_metric([], known.parked.commands)
    yield from (entries, seconds, unread, gone, stopped, out_of_date, parked, waiting)


def _stopped(known: Condition) -> Counter[str]:
    counts: Counter[str] = Counter()
    for one in known.stopped:
        counts[one.model] += len(one.partitions)
    return counts


def of_lag(behind: Sequence[Lag]) -> Iterator[Metric]:
    """Yield how far consumers are behind."""
    messages = GaugeMetricFamily("redletter_lag_messages", "Messages not done yet, by consumer", labels=["consumer"])
    seconds = GaugeMetricFamily(
        "redletter_lag_seconds", "Age of the oldest message not done yet, by consumer", labels=["consumer"]
    )
    for one in behind:
        messages.add_metric([one.consumer], one.messages)
        seconds.add_metric([one.consumer], one.seconds)
    yield from (messages, seconds)
