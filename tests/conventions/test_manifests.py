"""The Helm chart makes what Kubernetes' schemas say, and runs every role as the image and the settings want it."""

import tomllib
from collections.abc import Mapping
from typing import Any

import kubernetes_validate
import pytest
import yaml

from redletter.roles import ROLE_STARTS
from redletter.settings import Settings
from scripts import manifests
from tests.conventions.support.tree import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
RELEASE = "redletter"
VERSIONS = ("1.30", "1.37")
"""Of Kubernetes: an old one that is still run, and the newest that is known here."""
FILES = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
RESOURCES: list[dict[str, Any]] = [
    resource for file in FILES for resource in yaml.safe_load_all((FOLDER / file).read_text())
]
ROLES = {f"{RELEASE}-{role}" for role in ROLE_STARTS if role != "tax-simulator"}
LAG = {"metric": "lag", "target": 1000, "min": 1, "max": 4}
CHOICES: Mapping[str, Mapping[str, Any]] = {
    "autoscaling on lag": {"roles": {"worker": {"autoscaling": LAG}, "projector": {"autoscaling": LAG}}},
    "a tag, pull secrets and places": {
        "image": {"tag": "2.0.0"},
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"pool": "invoices"},
        "tolerations": [{"key": "invoices", "operator": "Exists"}],
        "podAnnotations": {"sidecar.istio.io/inject": "false"},
    },
    "a number of pods": {"roles": {"api": {"replicas": 3, "autoscaling": None}}},
    "no network policies": {"networkPolicy": {"enabled": False}},
    "other ports": {"ports": {"api": 9000, "health": 9001}, "networkPolicy": {"egressPorts": [9094]}},
}
"""Values that an installation may choose."""


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    """Return the resources of a kind by their names."""
    return {one["metadata"]["name"]: one for one in RESOURCES if one["kind"] == kind}


PODS = {name: one["spec"]["template"] for name, one in (of_kind("Deployment") | of_kind("Job")).items()}
SETTINGS = of_kind("ConfigMap")[f"{RELEASE}-settings"]["data"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_a_resource_is_what_the_schemas_of_kubernetes_say(resource: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(resource, version, strict=True)


def test_every_role_runs_survives_a_drained_node_and_is_probed() -> None:
    assert set(of_kind("Deployment")) == set(of_kind("PodDisruptionBudget")) == ROLES
    for role, one in of_kind("Deployment").items():
        (container,) = one["spec"]["template"]["spec"]["containers"]
        assert container["args"] == [role.removeprefix(f"{RELEASE}-")]
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
    secret = {"secretRef": {"name": name}}
    if name == f"{RELEASE}-migrate":  # it runs before the settings are there
        assert container["envFrom"] == [secret]
        assert {one["name"]: one["value"] for one in container["env"]} == SETTINGS
    else:
        assert container["envFrom"] == [{"configMapRef": {"name": f"{RELEASE}-settings"}}, secret]


def test_the_settings_are_settings_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.health_port == 8090
    assert f"{RELEASE}-api" in settings.answered_hosts()


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


def test_the_plain_manifests_are_what_the_chart_renders() -> None:
    assert manifests.PLAIN.read_text() == manifests.plain(), "make manifests"


@pytest.mark.parametrize("choice", CHOICES)
def test_what_an_installation_may_choose_is_what_the_schemas_say(choice: str) -> None:
    resources = list(yaml.safe_load_all(manifests.rendered(CHOICES[choice])))
    assert resources != RESOURCES
    for resource in resources:
        if resource not in RESOURCES:
            for version in VERSIONS:
                kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"settings": {"REDLETTER_KAFKA_PASSWORD": "secret"}}, "REDLETTER_KAFKA_PASSWORD"),
        ({"settings": {"KAFKA": "kafka:9092"}}, "KAFKA"),
        ({"role": {}}, "role"),
        ({"roles": {"worker": {"autoscaling": {"metric": "memory"}}}}, "roles/worker/autoscaling/metric"),
    ],
)
def test_the_chart_refuses_what_it_does_not_know_and_secrets_among_the_settings(
    values: Mapping[str, Any], told: str
) -> None:
    with pytest.raises(manifests.RefusedValues, match=told):
        manifests.rendered(values)


def test_the_chart_has_the_version_of_the_program() -> None:
    chart = yaml.safe_load((manifests.CHART / "Chart.yaml").read_text())
    program = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert chart["version"] == chart["appVersion"] == program
