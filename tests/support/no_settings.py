"""Tests of the program start without settings of the caller."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the REDLETTER_ variables of whoever runs the tests."""
    for name in os.environ:
        if name.startswith("REDLETTER_"):
            monkeypatch.delenv(name)
