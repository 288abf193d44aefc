"""The published language: everything that crosses a topic, and nothing else.

Commands come in, events and replies go out, tax requests ask the tax side. Imports only pydantic and the standard
library. `library/` makes a package of it for other services.
"""
