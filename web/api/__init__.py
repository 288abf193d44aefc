"""Queries over HTTP, and the descriptions of the interfaces."""
