"""The HTTP side: queries, commands and the stream of changes."""

from projections.api.app import build, run

__all__ = ["build", "run"]
