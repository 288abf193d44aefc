"""The alerts fire, lead to an entry of the runbook, and watch metrics that the program has; so does the dashboard."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.core import Metric

from redletter.checkup import FINDING_KINDS
from tests.conventions.support.tree import ROOT
from web.operations import metrics
from web.operations.condition import Condition, LogCondition
from web.operations.queries import Counts

for name in ("redletter.role_health", "service.worker.batch_logging", "transport.metrics", "web.http.timing"):
    import_module(name)  # registers its metrics

DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
PROMTOOL = shutil.which("promtool", path=f"{os.environ['PATH']}:{ROOT / '.cache/prometheus/usr/bin'}")
RULES = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
RUNBOOK = (ROOT / "docs" / "operating.md").read_text()
NAME = re.compile(r"\bredletter_[a-z_]+")
PART = re.compile(r"_(?:bucket|count|sum)$")


def measured() -> Iterator[Metric]:
    """Yield every metric of the program's own, those of a process and those of the system."""
    yield from (metric for metric in REGISTRY.collect() if metric.name.startswith("redletter_"))
    yield from metrics.of_servers({})
    yield from metrics.of_reasons([])
    yield from metrics.of_counts(Counts([], [], []))
    yield from metrics.of_requests([])
    yield from metrics.of_condition(Condition(LogCondition(), [], [], []))
    yield from metrics.of_lag([])


MEASURED = {f"{metric.name}_total" if metric.type == "counter" else metric.name for metric in measured()}


@pytest.mark.skipif(
    PROMTOOL is None and "CI" not in os.environ, reason="promtool is not installed (Debian's prometheus)"
)
def test_each_alert_fires_with_its_message() -> None:
    assert PROMTOOL is not None
    for command in (["test", "rules", "alerts_test.yml"], ["check", "config", "prometheus.yml"]):
        done = subprocess.run([PROMTOOL, *command], cwd=ALERTS.parent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_lacks_a_test() -> None:
    tests = yaml.safe_load((ALERTS.parent / "alerts_test.yml").read_text())["tests"]
    tried = [case["alertname"] for test in tests for case in test["alert_rule_test"] if case["exp_alerts"]]
    assert set(tried) == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_leads_to_its_entry_in_the_runbook(rule: dict[str, Any]) -> None:
    assert rule["annotations"]["runbook"] == f"docs/operating.md#{rule['alert'].lower()}"
    assert f"### {rule['alert']}\n" in RUNBOOK


@pytest.mark.parametrize("file", ["prometheus/alerts.yml", "grafana/redletter.json"])
def test_only_metrics_that_exist_are_watched(file: str) -> None:
    watched = {PART.sub("", name) for name in NAME.findall((DEPLOY / file).read_text())}
    assert watched
    assert watched - MEASURED == set()


def test_the_documents_list_the_metrics_that_there_are() -> None:
    assert set(NAME.findall(RUNBOOK)) == MEASURED


@pytest.mark.parametrize("code", FINDING_KINDS)
def test_what_check_says_has_its_place_in_the_runbook(code: str) -> None:
    assert f"| `{code}`" in RUNBOOK


def test_no_two_panels_of_the_dashboard_overlap() -> None:
    places = [panel["gridPos"] for panel in json.loads((DEPLOY / "grafana" / "redletter.json").read_text())["panels"]]
    squares = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(squares) == len(set(squares))
