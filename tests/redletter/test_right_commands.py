"""What `redletter grants` prints can be given to psql."""

from typer.testing import CliRunner

from redletter.cli.rights import right_commands


def test_rights_that_are_taken_and_given_again_are_never_missed() -> None:
    printed = CliRunner().invoke(right_commands, ["grants"]).stdout.splitlines()
    assert (printed[0], printed[-1]) == ("begin;", "commit;")
    assert all(statement.endswith(";") for statement in printed)
