"""Settings: impossible ones stop the start with a sentence."""

from datetime import timedelta

import pytest

from redletter.settings import ImpossibleSettings, read


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
    with pytest.raises(ImpossibleSettings, match=r"REDLETTER_API_PROT is no setting .* REDLETTER_API_PORT is"):
        read()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REDLETTER_API_PORT", "65536"),
        ("REDLETTER_API_PORT", "many"),
        ("REDLETTER_TOPIC_PARTITIONS", "0"),
        ("REDLETTER_TAX_REPEAT_SECONDS", "-1"),
        ("REDLETTER_CLOCK_SHIFT", "yesterday"),
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
    with pytest.raises(ImpossibleSettings, match=f"^{variable} cannot be '{value}': "):
        read()


def test_a_database_url_is_not_repeated_since_it_holds_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal ends in logs."""
    monkeypatch.setenv("REDLETTER_DATABASE_URL", "mysql://redletter:secret@host/redletter")
    with pytest.raises(ImpossibleSettings) as refused:
        read()
    assert "secret" not in str(refused.value)


def test_the_longest_repeat_is_not_shorter_than_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two settings may be possible alone and not together."""
    monkeypatch.setenv("REDLETTER_TAX_REPEAT_SECONDS", "10")
    monkeypatch.setenv("REDLETTER_TAX_REPEAT_MAX_SECONDS", "5")
    with pytest.raises(ImpossibleSettings, match="REDLETTER_TAX_REPEAT_MAX_SECONDS must not be less"):
        read()
