"""Headers that tie a published message to the log, so that the log can be rebuilt from the topics.

Consumers have no use for them. A dead letter has none: it keeps the headers of its record, byte for byte.
"""

from collections.abc import Mapping

PLACE_HEADER = "log_place"
"""The place of the message in the log of its partition, in decimal digits."""
DIGEST_HEADER = "command_digest"
"""On the reply that uses up the id of its command: the digest of the command as read, in hexadecimal digits."""


def log_headers(place: int, digest: bytes | None) -> list[tuple[str, bytes]]:
    """Return the headers of a message at a place."""
    headers = [(PLACE_HEADER, b"%d" % place)]
    return headers if digest is None else [*headers, (DIGEST_HEADER, digest.hex().encode())]


def place_in_log(headers: Mapping[str, bytes | None]) -> int | None:
    """Return the place that a message says; None if it was published by a release that did not say it."""
    place = headers.get(PLACE_HEADER)
    return None if place is None else int(place)


def digest_of_command(headers: Mapping[str, bytes | None]) -> bytes | None:
    """Return the digest of the command whose id a reply uses up; None if it uses up none."""
    digest = headers.get(DIGEST_HEADER)
    return None if digest is None else bytes.fromhex(digest.decode())
