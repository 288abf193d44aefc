"""Settings: impossible ones stop the start with a sentence."""

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from redletter.settings import InvalidSettings, Settings, read, refuse_open_api
from rules.key_wrapping import NO_WRAPPING


def test_without_any_variable_the_defaults_hold() -> None:
    """The defaults are those of the contract."""
    settings = read()
    assert (settings.api_port, settings.topic_partitions, settings.general_recorded_route) == (8080, 8, "simple")


def test_the_clock_may_be_moved_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shift is an ISO 8601 duration, of either sign."""
    monkeypatch.setenv("REDLETTER_CLOCK_SHIFT", "-P3DT4H")
    assert read().clock_shift == -timedelta(days=3, hours=4)


def test_a_misspelt_variable_is_named_with_the_one_that_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise it would be silently without effect."""
    monkeypatch.setenv("REDLETTER_API_PROT", "1")
    with pytest.raises(
        InvalidSettings, match=r"^unknown setting REDLETTER_API_PROT; did you mean REDLETTER_API_PORT\?$"
    ):
        read()


def test_no_other_variable_is_suggested_where_only_the_prefix_is_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDLETTER_KAFAK", "localhost:9092")
    with pytest.raises(InvalidSettings, match=r"^unknown setting REDLETTER_KAFAK$"):
        read()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REDLETTER_API_PORT", "65536"),
        ("REDLETTER_API_PORT", "many"),
        ("REDLETTER_API_HOSTS", "invoices.example.com:8080"),
        ("REDLETTER_API_HOSTS", "a,,b"),
        ("REDLETTER_AUTH", "basic"),
        ("REDLETTER_AUTH_NONE_IS_FINE", "no"),
        ("REDLETTER_OIDC_ISSUER", "login.example.com"),
        ("REDLETTER_OIDC_ISSUER", "http://login.example.com"),
        ("REDLETTER_OIDC_ISSUER", "https://login.example.com#a"),
        ("REDLETTER_OIDC_ISSUER", "https://login.example.com?a=b"),
        ("REDLETTER_KAFKA_TOKEN_URL", "http://login.example.com/token"),
        ("REDLETTER_KAFKA_TOKEN_URL", "https://login.example.com/token?a=b#c"),
        ("REDLETTER_TOPIC_PARTITIONS", "0"),
        ("REDLETTER_TAX_REPEAT_SECONDS", "-1"),
        ("REDLETTER_CLOCK_SHIFT", "yesterday"),
        ("REDLETTER_CLOCK_SHIFT", "3 days"),
        ("REDLETTER_CLOCK_SHIFT", "3600"),
        ("REDLETTER_CLOCK_SHIFT", "P"),
        ("REDLETTER_CLOCK_SHIFT", "PT"),
        ("REDLETTER_CLOCK_SHIFT", "P1DT"),
        ("REDLETTER_CLOCK_SHIFT", "01:00:00"),
        ("REDLETTER_CLOCK_SHIFT", "P99999D"),
        ("REDLETTER_API_PORT", "8_080"),
        ("REDLETTER_API_PORT", "8080.0"),
        ("REDLETTER_TAX_REPEAT_SECONDS", "1e3"),
        ("REDLETTER_TAX_REPEAT_SECONDS", "nan"),
        ("REDLETTER_KAFKA_BOOTSTRAP_SERVERS", "localhost:99999"),
        ("REDLETTER_KAFKA_BOOTSTRAP_SERVERS", "localhost:0"),
        ("REDLETTER_GENERAL_RECORDED_ROUTE", "either"),
        ("REDLETTER_LOG_LEVEL", "loud"),
        ("REDLETTER_KAFKA_BOOTSTRAP_SERVERS", "localhost"),
    ],
)
def test_an_impossible_value_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """Every setting has its bounds."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSettings, match=f"^invalid {variable} '{re.escape(value)}': "):
        read()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://redletter:secret@host/redletter",
        "postgresql://u:s@ecret@host/x",
        "postgresql://u:SEC%ZZRET@host/x",
        "postgresql://u:secret@host:secret/x",
        "postgresql://u:sec/ret@host/x",
        "postgresql://u:secret@host/x?secret=secret",
        "postgresql://u:sec ret@host/x",
    ],
)
def test_a_database_url_is_not_repeated_since_it_holds_a_password(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A refusal ends in logs, and what goes to a name server is not secret either."""
    monkeypatch.setenv("REDLETTER_DATABASE_URL", url)
    with pytest.raises(InvalidSettings, match="must be a URL such as") as refused:
        read()
    assert not any(part in str(refused.value).lower() for part in ("secret", "ecret", "zzret", "ret@"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:s%40cret@host:5432/x?sslmode=verify-full",
        "postgres://u@h1:1,h2:2/x?target_session_attrs=read-write",
        "postgresql:///x?host=/run/postgresql",
        "postgresql://u:p@[::1]:5432/x",
    ],
)
def test_whatever_libpq_takes_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """TLS and several hosts included."""
    monkeypatch.setenv("REDLETTER_DATABASE_URL", url)
    assert read().database_url == url


@pytest.mark.parametrize(
    ("written", "shift"),
    [
        ("P35D", timedelta(days=35)),
        ("PT1H", timedelta(hours=1)),
        ("-PT5M", timedelta(minutes=-5)),
        ("P2W", timedelta(weeks=2)),
        ("PT0.5S", timedelta(seconds=0.5)),
    ],
)
def test_a_shift_is_an_iso_8601_duration(monkeypatch: pytest.MonkeyPatch, written: str, shift: timedelta) -> None:
    """As every standard library reads it."""
    monkeypatch.setenv("REDLETTER_CLOCK_SHIFT", written)
    assert read().clock_shift == shift


def test_the_longest_repeat_is_not_shorter_than_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two settings may be possible alone and not together."""
    monkeypatch.setenv("REDLETTER_TAX_REPEAT_SECONDS", "10")
    monkeypatch.setenv("REDLETTER_TAX_REPEAT_MAX_SECONDS", "5")
    with pytest.raises(InvalidSettings, match="REDLETTER_TAX_REPEAT_MAX_SECONDS must not be less"):
        read()


def test_a_calendar_file_adds_its_year(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Days are decreed in autumn for the year that follows, and a release of the library may come later."""
    file = tmp_path / "2027.json"
    file.write_text('{"version": "State Council 2026-11", "off": ["2027-01-01"], "working": ["2027-01-10"]}')
    monkeypatch.setenv("REDLETTER_CALENDAR_FILE", str(file))
    assert read().calendar().known_until == date(2027, 12, 31)


@pytest.mark.parametrize("text", [None, "{", '{"version": "1", "off": ["soon"], "working": []}'])
def test_a_file_that_is_not_a_calendar_stops_the_start_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None
) -> None:
    """Wrong due dates would be noticed by customers only."""
    file = tmp_path / "2027.json"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("REDLETTER_CALENDAR_FILE", str(file))
    with pytest.raises(
        InvalidSettings, match=r"^REDLETTER_CALENDAR_FILE names '.*2027.json', which is not a calendar: "
    ) as said:
        read()
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "::", "api.example.com"])
def test_an_api_that_asks_nobody_who_they_are_is_not_opened_to_others(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("REDLETTER_API_HOST", host)
    with pytest.raises(InvalidSettings, match="would open the api and the health of roles to everybody"):
        refuse_open_api(read())


@pytest.mark.parametrize(
    "given",
    [
        {"API_HOST": "127.0.0.1"},
        {"API_HOST": "127.8.9.1"},
        {"API_HOST": "::1"},
        {"API_HOST": "localhost"},
        {"API_HOST": "192.0.2.1", "AUTH_NONE_IS_FINE": "yes"},
        {"API_HOST": "192.0.2.1", "AUTH": "oidc", "OIDC_ISSUER": "https://login.example.com", "OIDC_AUDIENCE": "a"},
    ],
)
def test_it_is_opened_to_this_machine_or_on_demand(monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"REDLETTER_{name}", value)
    refuse_open_api(read())


@pytest.mark.parametrize("missing", ["OIDC_ISSUER", "OIDC_AUDIENCE"])
def test_tokens_need_an_issuer_and_an_audience(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name, value in {"AUTH": "oidc", "OIDC_ISSUER": "https://login.example.com", "OIDC_AUDIENCE": "a"}.items():
        if name != missing:
            monkeypatch.setenv(f"REDLETTER_{name}", value)
    with pytest.raises(InvalidSettings, match=r"^REDLETTER_AUTH=oidc needs REDLETTER_OIDC_ISSUER and REDLETTER_OIDC"):
        read()


@pytest.mark.parametrize("issuer", ["https://login.example.com/realms/1", "http://localhost:8081", "http://[::1]:1"])
def test_an_issuer_is_a_url_on_which_nobody_else_can_answer(monkeypatch: pytest.MonkeyPatch, issuer: str) -> None:
    monkeypatch.setenv("REDLETTER_OIDC_ISSUER", issuer)
    assert read().oidc_issuer == issuer


@pytest.mark.parametrize("endpoint", ["https://login.example.com/token?tenant=1", "https://login.example.com?tenant=1"])
def test_the_address_that_gives_tokens_may_have_a_query(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("REDLETTER_KAFKA_TOKEN_URL", endpoint)
    assert Settings().kafka_token_url == endpoint


def test_nobodys_requests_are_counted_unless_it_is_asked_for() -> None:
    """A portal is one caller for all its customers."""
    assert read().api_requests_per_minute is None


def test_the_client_of_the_page_and_its_secret_need_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDLETTER_OIDC_CLIENT_SECRET", "a secret")
    with pytest.raises(InvalidSettings, match=r"^REDLETTER_OIDC_CLIENT_ID and .*_SECRET need each other$"):
        read()
    monkeypatch.setenv("REDLETTER_OIDC_CLIENT_ID", "page")
    assert "a secret" not in repr(read())


def test_the_api_answers_for_loopback_names_its_own_and_those_that_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDLETTER_API_HOST", "fd00::1")
    monkeypatch.setenv("REDLETTER_API_HOSTS", "Invoices.example.com,[fd00::2]")
    loopback = {"localhost", "127.0.0.1", "[::1]"}
    assert read().answered_hosts() == loopback | {"[fd00::1]", "invoices.example.com", "[fd00::2]"}


@pytest.mark.parametrize(
    ("but", "why"),
    [
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "REDLETTER_KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT"),
        ({"SASL_MECHANISM": "SCRAM-SHA-512"}, "REDLETTER_KAFKA_SASL_MECHANISM=PLAIN"),
        ({"USERNAME": "$broker"}, "invalid REDLETTER_KAFKA_USERNAME: for the embedded Kafka"),
        ({"PASSWORD": 'secret"; user_x="'}, "invalid REDLETTER_KAFKA_PASSWORD: for the embedded Kafka"),
    ],
)
def test_the_embedded_kafka_asks_for_a_user_and_a_password_in_one_way(
    monkeypatch: pytest.MonkeyPatch, but: dict[str, str], why: str
) -> None:
    asked = {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SASL_MECHANISM": "PLAIN", "USERNAME": "me", "PASSWORD": "secret"}
    for name, value in asked.items():
        monkeypatch.setenv(f"REDLETTER_KAFKA_{name}", value)
    assert read().kafka_security().username == "me"
    for name, value in but.items():
        monkeypatch.setenv(f"REDLETTER_KAFKA_{name}", value)
    with pytest.raises(InvalidSettings, match=why) as refused:
        read()
    assert "secret" not in str(refused.value)


def test_settings_of_kafka_that_do_not_fit_together_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDLETTER_KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    monkeypatch.setenv("REDLETTER_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("REDLETTER_KAFKA_PASSWORD", "a secret")
    with pytest.raises(InvalidSettings, match="SASL_SSL needs a SASL mechanism, a user name and a password") as found:
        read()
    assert "a secret" not in str(found.value)
    monkeypatch.setenv("REDLETTER_KAFKA_SASL_MECHANISM", "SCRAM-SHA-512")
    monkeypatch.setenv("REDLETTER_KAFKA_USERNAME", "worker")
    settings = read()
    assert settings.kafka_security().username == "worker"
    assert "a secret" not in repr(settings)


KEY = "c2l4dGVlbiBsZXR0ZXJzIGFuZCBzaXh0ZWVuIG1vcmU="
NUMBER = "26312000000000000001"


def test_the_key_from_outside_is_text_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert read().key_wrapping() is NO_WRAPPING
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("REDLETTER_SEALING_KEY", KEY)
    kept = read().key_wrapping().wrap(bytes(32), NUMBER)
    monkeypatch.delenv("REDLETTER_SEALING_KEY")
    monkeypatch.setenv("REDLETTER_SEALING_KEY_FILE", str(tmp_path / "key"))
    assert read().key_wrapping().unwrap(kept, NUMBER) == bytes(32)
    assert KEY not in repr(read())


def test_a_key_from_outside_that_is_none_stops_the_start_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REDLETTER_SEALING_KEY", "secret")
    with pytest.raises(InvalidSettings, match=r"^invalid REDLETTER_SEALING_KEY: must be 32 bytes in base64"):
        read()
    monkeypatch.delenv("REDLETTER_SEALING_KEY")
    for content in (b"short", b"\xff", KEY[:-4].encode()):
        (tmp_path / "key").write_bytes(content)
        monkeypatch.setenv("REDLETTER_SEALING_KEY_FILE", str(tmp_path / "key"))
        with pytest.raises(InvalidSettings, match="32 bytes in base64") as refused:
            read()
        assert "short" not in str(refused.value)
    monkeypatch.setenv("REDLETTER_SEALING_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(InvalidSettings, match="none' cannot be read: No such file"):
        read()
