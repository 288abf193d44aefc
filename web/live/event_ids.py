"""Ids of stream events: the next offset of every partition, so that a client continues exactly where it was."""


def write(offsets: dict[int, int]) -> str:
    """Write the next offset of each partition as an id."""
    return "-".join(f"{partition}.{offset}" for partition, offset in sorted(offsets.items()))


def read(event_id: str) -> dict[int, int] | None:
    """Read the offsets back; None for a string that is not such an id."""
    try:
        pairs = [part.split(".") for part in event_id.split("-")]
        return {int(partition): int(offset) for partition, offset in pairs}
    except ValueError:
        return None
