"""How clients connect to Kafka: what does not fit together is refused before anything connects."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.support.secured_kafka import Authority
from transport.kafka_security import KafkaSecurity, UnusableSecurity

LOGIN: dict[str, Any] = {"mechanism": "PLAIN", "username": "worker", "password": "rekrow"}


def test_without_settings_nothing_is_proved() -> None:
    assert KafkaSecurity().options() == {"security_protocol": "PLAINTEXT"}


@pytest.mark.parametrize(
    ("but", "reason"),
    [
        ({"protocol": "SASL_SSL"}, "SASL_SSL needs a SASL mechanism, a user name and a password"),
        ({"protocol": "SASL_PLAINTEXT", "mechanism": "PLAIN", "username": "worker"}, "needs a SASL mechanism"),
        ({"protocol": "SSL", **LOGIN}, "without effect with SSL"),
        (LOGIN, "without effect with PLAINTEXT"),
        ({"ca_file": Path("ca.pem")}, "without effect with PLAINTEXT"),
        ({"protocol": "SASL_PLAINTEXT", **LOGIN, "ca_file": Path("ca.pem")}, "without effect with SASL_PLAINTEXT"),
        ({"protocol": "SSL", "key_file": Path("key.pem")}, "a key file needs a certificate file"),
        ({"protocol": "SSL", "ca_file": Path("/nowhere.pem")}, "'/nowhere.pem' is no file of certificates"),
        ({"protocol": "SASL_SSL", **LOGIN, "mechanism": "OAUTHBEARER"}, "gives its tokens need each other"),
        ({"protocol": "SASL_SSL", **LOGIN, "token_url": "https://login"}, "gives its tokens need each other"),
        ({"protocol": "SASL_SSL", **LOGIN, "token_scope": "kafka"}, "a scope is without effect"),
        ({"protocol": "SSL", "cert_file": Path("/nowhere.pem")}, "'/nowhere.pem' and its key cannot be used"),
    ],
)
def test_what_does_not_fit_together_is_refused(but: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnusableSecurity, match=reason):
        KafkaSecurity(**but).options()


def test_a_broker_has_to_prove_its_host_name(tmp_path: Path) -> None:
    authority, file = Authority(), tmp_path / "ca.pem"
    file.write_text(authority.pem)
    context = KafkaSecurity("SSL", ca_file=file).options()["ssl_context"]
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert [found["subject"] for found in context.get_ca_certs()] == [((("commonName", "tests"),),)]


def test_the_password_is_not_shown() -> None:
    assert "rekrow" not in repr(KafkaSecurity("SASL_SSL", **LOGIN))
