"""What a process measures of itself, for Prometheus: its consumer groups, Kafka transactions and database sessions.

The client library keeps the figures in this process; `redletter.role_health` serves them.
"""

from collections.abc import Callable, Mapping

from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets that times are counted in."""
_RECORDS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000)

BATCH_SECONDS = Histogram(
    "redletter_batch_seconds", "Time to handle a batch until it is durable", ["group"], buckets=SECONDS
)
BATCH_RECORDS = Histogram("redletter_batch_records", "Records of a batch", ["group"], buckets=_RECORDS)
BATCH_FAILURES = Counter("redletter_batch_failures", "Tries to handle a batch that failed", ["group"])
ASSIGNED_PARTITIONS = Gauge("redletter_assigned_partitions", "Partitions that this process holds", ["group"])
REBALANCES = Counter("redletter_rebalances", "Assignments of partitions to this process", ["group"])
TRANSACTION_SECONDS = Histogram(
    "redletter_kafka_transaction_seconds", "Time of a Kafka transaction, to its commit", ["writer"], buckets=SECONDS
)
TRANSACTION_RECORDS = Histogram(
    "redletter_kafka_transaction_records", "Records of a Kafka transaction", ["writer"], buckets=_RECORDS
)
_POOL_SESSIONS = Gauge(
    "redletter_pool_sessions", "Database sessions of a pool, by state (used, idle)", ["pool", "state"]
)
_POOL_MAX_SESSIONS = Gauge("redletter_pool_max_sessions", "Most database sessions that a pool opens", ["pool"])
_POOL_WAITING = Gauge("redletter_pool_waiting", "Callers that wait for a database session of a pool", ["pool"])


def measure_pool(name: str, stats: Callable[[], Mapping[str, int]]) -> None:
    """Measure a pool from now on. stats: those of psycopg_pool, asked at every scrape."""
    _POOL_SESSIONS.labels(name, "used").set_function(lambda: stats()["pool_size"] - stats()["pool_available"])
    _POOL_SESSIONS.labels(name, "idle").set_function(lambda: stats()["pool_available"])
    _POOL_MAX_SESSIONS.labels(name).set_function(lambda: stats()["pool_max"])
    _POOL_WAITING.labels(name).set_function(lambda: stats().get("requests_waiting", 0))


class Groups:
    """The consumer groups that this process is to be a member of, and those whose partitions it has been assigned."""

    def __init__(self) -> None:
        self._joined: dict[str, bool] = {}

    def joining(self, group: str) -> None:
        """Record that this process wants to be a member; nothing has been assigned to it yet."""
        self._joined[group] = False
        ASSIGNED_PARTITIONS.labels(group).set(0)

    def assigned(self, group: str, partitions: int) -> None:
        """Record an assignment; it may be empty, for a member that stands by."""
        self._joined[group] = True
        ASSIGNED_PARTITIONS.labels(group).set(partitions)
        REBALANCES.labels(group).inc()

    def left(self, group: str) -> None:
        """Record that this process is no member any more, and does not want to be one."""
        self._joined.pop(group, None)
        ASSIGNED_PARTITIONS.labels(group).set(0)

    def missing(self) -> list[str]:
        """Return the groups that this process waits to be assigned partitions of."""
        return sorted(group for group, joined in self._joined.items() if not joined)


OWN_GROUPS = Groups()
"""Those of this process."""
