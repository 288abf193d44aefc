"""The pages that people look at, rendered on the server by the code that answers the queries."""

from web.console.pages import install

__all__ = ["install"]
