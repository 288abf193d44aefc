"""Statements, as they are written: what PostgreSQL would refuse only once numbers have grown."""

import re

from tests.conventions.support.tree import ROOT, tracked

UNTYPED_SUM = re.compile(r"%(?:\(\w+\))?[sbt]\s*[-+*]\s*%(?:\(\w+\))?[sbt](?!::)")


def test_parameters_are_not_added_to_each_other_without_a_type() -> None:
    # psycopg sends a number as the smallest type that holds it: the sum of two smallints ends at 32,767.
    modules = [path for path in tracked() if path.suffix == ".py" and "tests" not in path.parts]
    found = {str(path.relative_to(ROOT)): UNTYPED_SUM.findall(path.read_text()) for path in modules}
    assert {path: sums for path, sums in found.items() if sums} == {}


def test_a_sum_of_parameters_without_a_type_would_be_found() -> None:
    assert UNTYPED_SUM.findall("where place between %(place)s and %(place)s + %(rows)s") == ["%(place)s + %(rows)s"]
    assert UNTYPED_SUM.findall("where place between %(place)s and %(place)s::bigint + %(rows)s") == []
