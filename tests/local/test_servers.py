"""The embedded servers: prepared once, found again, and never left behind."""

from pathlib import Path

import pytest

from local import ports
from local.jars import WrongChecksum, jars


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
