"""The embedded servers: prepared once, found again, and never left behind."""

from pathlib import Path

import pytest

from local import ports
from local.jars import WrongChecksum, jars
from local.kafka_server import KafkaServer
from local.server import ServerFailed


def test_ports_are_kept_as_long_as_nobody_takes_them(tmp_path: Path) -> None:
    """Clients find a server again after its restart."""
    first = ports.kept(tmp_path / "ports", 2)
    assert ports.kept(tmp_path / "ports", 2) == first


def test_other_ports_are_chosen_where_one_is_taken(tmp_path: Path) -> None:
    """A server on the old one would not start."""
    import socket

    first = ports.kept(tmp_path / "ports", 2)
    with socket.create_server((ports.HOST, first[0])):
        assert first[0] not in ports.kept(tmp_path / "ports", 2)


def test_a_jar_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    """And it never gets a place in the cache."""
    pins = tmp_path / "wrong.sha256"
    pins.write_text(f"{'0' * 64}  org.slf4j:slf4j-simple:1.7.36\n")
    with pytest.raises(WrongChecksum, match="slf4j-simple"):
        jars(pins, "logging", print, tmp_path)
    assert not list(tmp_path.glob("*.jar"))


def prepared_kafka(folder: Path, advertised: str | None) -> str:
    """Prepare a broker whose storage is formatted already, and return its properties."""
    (folder / "formatted").touch()
    KafkaServer(folder, advertised=advertised).prepare()
    return (folder / "server.properties").read_text()


def test_clients_elsewhere_are_told_the_address_by_which_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the roles theirs: a broker has an address for each listener."""
    monkeypatch.setattr("local.ports.is_free", lambda *_: True)
    settings = dict(line.split("=", 1) for line in prepared_kafka(tmp_path, "ci.example:32801").splitlines())
    ours, elsewhere = settings["advertised.listeners"].split(",")
    assert (ours in settings["listeners"], elsewhere) == (True, "ELSEWHERE://ci.example:32801")
    assert settings["listeners"].endswith(",ELSEWHERE://:9092")


def test_a_kafka_for_this_machine_alone_listens_nowhere_else(tmp_path: Path) -> None:
    listeners = [line for line in prepared_kafka(tmp_path, None).splitlines() if line.startswith("listeners=")]
    assert [address.partition("://")[2].partition(":")[0] for address in listeners[0].split(",")] == ["127.0.0.1"] * 2


def test_a_taken_port_for_clients_elsewhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.ports.is_free", lambda _, host=ports.HOST: host == ports.HOST)
    with pytest.raises(ServerFailed, match="port 9092 is taken"):
        prepared_kafka(tmp_path, "localhost:9092")
