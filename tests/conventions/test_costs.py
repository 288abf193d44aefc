"""A folder says what its tests need: real servers in integration, end_to_end, browser and faults, none elsewhere."""

import re

import pytest

from tests.conventions.support.tree import ROOT, tracked
from tests.support.server_folders import FOLDERS_WITH_SERVERS, pytest_collection_modifyitems

MODULES = [path for path in tracked() if path.is_relative_to(ROOT / "tests") and path.name.startswith("test_")]


@pytest.mark.parametrize("folder", sorted(FOLDERS_WITH_SERVERS))
def test_each_folder_with_servers_has_tests(folder: str) -> None:
    assert any(folder in path.parts for path in MODULES)


def test_no_test_is_marked_by_hand() -> None:
    by_hand = re.compile(r"^(@|pytestmark\b.*)pytest\.mark\.integration", re.MULTILINE)
    assert [str(path.relative_to(ROOT)) for path in MODULES if by_hand.search(path.read_text())] == []


def test_a_test_that_needs_servers_in_another_folder_ends_the_run(request: pytest.FixtureRequest) -> None:
    needy = pytest.Function.from_parent(
        request.node.parent,
        name=request.node.name,
        callobj=test_a_test_that_needs_servers_in_another_folder_ends_the_run,
    )
    needy.fixturenames.append("servers")
    with pytest.raises(pytest.UsageError, match="move it to a folder called integration"):
        pytest_collection_modifyitems([needy])
