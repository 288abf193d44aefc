"""Messages as a release may write them that is still to come."""

from typing import Any

FREE = ("details", "changes")
"""Objects that hold whatever fits the occasion."""


def grown(node: Any) -> Any:
    """Add an unknown field to every object."""
    if isinstance(node, list):
        return [grown(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {key: value if key in FREE else grown(value) for key, value in node.items()} | {"unknown": {"more": [1]}}
