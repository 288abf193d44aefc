"""The manifests for Kubernetes are what its schemas say, and run every role as the image and the settings want it."""

from typing import Any

import kubernetes_validate
import pytest
import yaml

from redletter.roles import ROLE_STARTS
from redletter.settings import Settings
from tests.conventions.support.tree import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.30", "1.37")
"""Of Kubernetes: an old one that is still run, and the newest that is known here."""
FILES = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
RESOURCES: list[dict[str, Any]] = [
    resource for file in FILES for resource in yaml.safe_load_all((FOLDER / file).read_text())
]
ROLES = set(ROLE_STARTS) - {"tax-simulator"}


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    """Return the resources of a kind by their names."""
    return {one["metadata"]["name"]: one for one in RESOURCES if one["kind"] == kind}


PODS = {name: one["spec"]["template"] for name, one in (of_kind("Deployment") | of_kind("Job")).items()}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_a_resource_is_what_the_schemas_of_kubernetes_say(resource: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(resource, version, strict=True)


def test_every_role_runs_survives_a_drained_node_and_is_probed() -> None:
    assert set(of_kind("Deployment")) == set(of_kind("PodDisruptionBudget")) == ROLES
    for role, one in of_kind("Deployment").items():
        (container,) = one["spec"]["template"]["spec"]["containers"]
        assert container["args"] == [role]
        assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "health"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}
        assert of_kind("PodDisruptionBudget")[role]["spec"]["selector"] == one["spec"]["selector"]
        assert one["spec"]["selector"]["matchLabels"] == one["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_no_rights_and_no_variables_but_its_settings(name: str) -> None:
    spec = PODS[name]["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (spec["enableServiceLinks"], spec["automountServiceAccountToken"]) == (False, False)
    assert {"requests", "limits"} == set(container["resources"])
    assert container["envFrom"] == [
        {"configMapRef": {"name": "settings"}},
        {"secretRef": {"name": f"redletter-{name}"}},
    ]


def test_the_settings_are_settings_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in of_kind("ConfigMap")["settings"]["data"].items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.health_port == 8090
    assert "api" in settings.answered_hosts()


def test_the_ports_that_are_let_in_are_those_that_are_listened_on() -> None:
    let_in = {
        port["port"]
        for policy in of_kind("NetworkPolicy").values()
        for rule in policy["spec"].get("ingress", ())
        for port in rule["ports"]
    }
    listened_on = {
        port["containerPort"] for pod in PODS.values() for port in pod["spec"]["containers"][0].get("ports", ())
    }
    assert let_in == listened_on == {8080, 8090}
