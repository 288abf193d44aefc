"""Scenarios for every test of the rules."""

import pytest

from tests.service.support.scenario import Scenario


@pytest.fixture
def scenario() -> Scenario:
    return Scenario()


@pytest.fixture
def by_the_law() -> Scenario:
    """Send recorded general invoices down the form route."""
    return Scenario(general_recorded_route="form")
