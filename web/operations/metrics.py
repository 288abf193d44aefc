"""Metrics for Prometheus."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from projections.catalogue import MODELS
from web.operations.condition import Condition, LogCondition, Reason
from web.operations.lag import Lag
from web.operations.queries import Answers, Counts, Phases, Requests


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


def of_servers(reached: Mapping[str, bool]) -> Iterator[Metric]:
    """Yield which servers answered."""
    up = GaugeMetricFamily("redletter_server_up", "Whether a server answers this api: 1 or 0", labels=["server"])
    for server, is_up in reached.items():
        up.add_metric([server], is_up)
    yield up


def of_reasons(reasons: Sequence[Reason]) -> Iterator[Metric]:
    """Yield why the system is degraded."""
    degraded = GaugeMetricFamily("redletter_degraded", "Reasons to call the system degraded, by code", labels=["code"])
    for code, count in Counter(one.code for one in reasons).items():
        degraded.add_metric([code], count)
    yield degraded


def of_counts(counts: Counts) -> Iterator[Metric]:
    """Yield replies, open returns and dead letters."""
    yield from _answers(counts.answers)
    yield from _returns(counts.phases)
    letters = GaugeMetricFamily("redletter_dead_letters", "Unreadable records by reason", labels=["reason"])
    waiting = GaugeMetricFamily(
        "redletter_dead_letters_waiting",
        "Unreadable records that were neither replayed nor discarded, by reason",
        labels=["reason"],
    )
    for one in counts.letter_counts:
        letters.add_metric([one.reason], one.letters)
        waiting.add_metric([one.reason], one.waiting)
    yield from (letters, waiting)


def _answers(found: Sequence[Answers]) -> Iterator[Metric]:
    answers = CounterMetricFamily(
        "redletter_answers", "Commands answered, by type and answer (ACCEPTED or a code)", labels=["command", "answer"]
    )
    alarms = CounterMetricFamily("redletter_alarms", "Refusals that need attention", labels=["command", "answer"])
    for one in found:
        answers.add_metric([one.command_type, one.answer], one.times)
        if one.alarming:
            alarms.add_metric([one.command_type, one.answer], one.times)
    yield from (answers, alarms)


def _returns(phases: Sequence[Phases]) -> Iterator[Metric]:
    open_ = GaugeMetricFamily("redletter_open_returns", "Open returns by phase", labels=["phase"])
    overdue = GaugeMetricFamily(
        "redletter_overdue_returns", "Open returns that are overdue, by phase", labels=["phase"]
    )
    near_due = GaugeMetricFamily(
        "redletter_near_due_returns", "Open returns that are due within 24 hours, by phase", labels=["phase"]
    )
    failing = GaugeMetricFamily(
        "redletter_failing_returns",
        "Open returns whose last attempt failed at the tax side, by phase",
        labels=["phase"],
    )
    for one in phases:
        open_.add_metric([one.phase], one.returns)
        overdue.add_metric([one.phase], one.overdue)
        near_due.add_metric([one.phase], one.near_due)
        failing.add_metric([one.phase], one.failing)
    yield from (open_, overdue, near_due, failing)


def of_requests(found: Sequence[Requests]) -> Iterator[Metric]:
    """Yield tax requests and their age."""
    labels = ["request", "state"]
    requests = GaugeMetricFamily(
        "redletter_tax_requests", "Unanswered tax requests by type and state (unsent, sent, repeated)", labels=labels
    )
    seconds = GaugeMetricFamily("redletter_tax_request_seconds", "Age of the oldest of them", labels=labels)
    for one in found:
        requests.add_metric([one.name.removesuffix(".v1"), one.state], one.requests)
        seconds.add_metric([one.name.removesuffix(".v1"), one.state], one.seconds)
    yield from (requests, seconds)


def of_log(known: LogCondition) -> Iterator[Metric]:
    """Yield what is unpublished, stopped and parked in the log."""
    entries = GaugeMetricFamily("redletter_unpublished_entries", "Entries of the log that are not published yet")
    entries.add_metric([], known.unpublished)
    seconds = GaugeMetricFamily("redletter_unpublished_seconds", "Age of the oldest of them")
    seconds.add_metric([], known.seconds)
    stopped = GaugeMetricFamily(
        "redletter_stopped_log_partitions", "Partitions of the log that differ from what was published, and are stopped"
    )
    stopped.add_metric([], len(known.stopped))
    parked = GaugeMetricFamily("redletter_parked_invoices", "Invoices with a command that could not be decided")
    parked.add_metric([], known.parked.invoices)
    waiting = GaugeMetricFamily("redletter_parked_commands", "Commands that wait for parked invoices")
    waiting.add_metric([], known.parked.commands)
    yield from (entries, seconds, stopped, parked, waiting)


def of_condition(known: Condition) -> Iterator[Metric]:
    """Yield what is unread, gone and stopped, and what is known of the log."""
    if known.log:
        yield from of_log(known.log)
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
    yield from (unread, gone, stopped, out_of_date)


def _stopped(known: Condition) -> Counter[str]:
    counts = Counter(dict.fromkeys(MODELS, 0))
    for one in known.stopped:
        counts[one.model] += len(one.partitions)
    return counts


def of_lag(behind: Sequence[Lag]) -> Iterator[Metric]:
    """Yield how far consumers are behind, altogether and by partition, up to the high watermark."""
    messages = GaugeMetricFamily("redletter_lag_messages", "Messages not done yet, by consumer", labels=["consumer"])
    seconds = GaugeMetricFamily(
        "redletter_lag_seconds", "Age of the oldest message not done yet, by consumer", labels=["consumer"]
    )
    place = ["consumer", "topic", "partition"]
    of_partition = GaugeMetricFamily("redletter_partition_lag_messages", "The same, by partition", labels=place)
    age_of_partition = GaugeMetricFamily("redletter_partition_lag_seconds", "The same, by partition", labels=place)
    for one in behind:
        messages.add_metric([one.consumer], one.messages)
        seconds.add_metric([one.consumer], one.seconds)
        for part in one.partitions:
            where = [one.consumer, part.partition.topic, str(part.partition.partition)]
            of_partition.add_metric(where, part.messages)
            age_of_partition.add_metric(where, part.seconds)
    yield from (messages, seconds, of_partition, age_of_partition)
