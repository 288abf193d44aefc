"""Render deploy/kubernetes/redletter.yaml from the Helm chart: ``python -m scripts.manifests``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helm_python import Chart, HelmValuesError

DEPLOY = Path(__file__).parents[1] / "deploy"
CHART = DEPLOY / "helm" / "redletter"
PLAIN = DEPLOY / "kubernetes" / "redletter.yaml"
RefusedValues = HelmValuesError
_HEAD = "# Rendered from deploy/helm/redletter with its values as they are, by `make manifests`.\n"


def plain() -> str:
    """Return the plain manifests."""
    return _HEAD + rendered({})


def rendered(values: Mapping[str, Any]) -> str:
    """Return what Helm makes of the chart with some values laid over its own. Raises: RefusedValues."""
    with Chart.load(CHART) as chart:
        files = chart.render(dict(values), name="redletter", namespace="redletter")
    texts = (text.strip().removeprefix("---").strip() for name, text in sorted(files.items()) if name.endswith(".yaml"))
    return "".join(f"---\n{text}\n" for text in texts)


if __name__ == "__main__":
    PLAIN.write_text(plain())
