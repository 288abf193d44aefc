"""What the image is made of is listed, for people and for programs, and may be passed on by anybody."""

import json
import re
import warnings

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from scripts.bill_of_materials import NOTICE, SBOM, Package, notice, packages, sbom
from scripts.icons import version


def test_the_lists_are_those_of_the_lock() -> None:
    assert notice() == NOTICE.read_text(), "make notice"
    assert sbom() == SBOM.read_text(), "make notice"


def test_the_bill_of_materials_is_cyclonedx() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the validator's own
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(SBOM.read_text()) is None
    listed = json.loads(SBOM.read_text())["components"]
    icons = {f"pkg:npm/lucide-static@{version()}"}
    assert {one["purl"] for one in listed} == {f"pkg:pypi/{one.name}@{one.version}" for one in packages()} | icons
    assert len(listed) > 60


@pytest.mark.parametrize("package", list(packages()), ids=lambda package: package.name)
def test_a_package_of_the_image_has_a_licence_that_asks_nothing_of_its_users(package: Package) -> None:
    """The LGPL and the MPL ask for their own files only."""
    assert package.licence not in {"", "None", "UNKNOWN"}
    assert not re.search(r"AGPL|Affero|(?<!L)GPL|(?<!Lesser )General Public|SSPL|Commons Clause", package.licence)
