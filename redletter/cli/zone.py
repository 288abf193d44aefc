"""The option of every command that shows times."""

from typing import Annotated

import typer


def _chosen(asked: bool) -> bool:  # noqa: FBT001 - an option
    if asked:
        from redletter.shown_times import use_utc

        use_utc()
    return asked


Utc = Annotated[bool, typer.Option("--utc", callback=_chosen, help="Show times in UTC instead of in your own zone.")]
