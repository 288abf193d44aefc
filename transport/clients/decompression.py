"""Compressed batches are inflated within bounds: one mebibyte on the wire may hold a gibibyte.

The Kafka client inflates whatever it is sent, before anybody can see how much that is. So its decoders are replaced by
ones that stop, for every consumer of the process.
"""

import struct
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any

import cramjam
from aiokafka import codec

MAX_INFLATED_BATCH_BYTES = 32 << 20
"""Bytes that one batch of records may have when it is inflated; publishers collect 1 MiB or less."""

_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES = 16

_left: ContextVar[int | None] = ContextVar("left", default=None)


class InflatedTooFar(Exception):
    """A batch, or all batches of one call together, would become larger than they may."""


@contextmanager
def at_most(total: int) -> Generator[None]:
    """Let everything that is inflated within the block have ``total`` bytes together."""
    token = _left.set(total)
    try:
        yield
    finally:
        _left.reset(token)


def gzip(payload: Any, most: int = MAX_INFLATED_BATCH_BYTES) -> bytes:  # noqa: ANN401 - any buffer
    """Inflate all members. Raises: InflatedTooFar, zlib.error, EOFError."""
    inflated, rest = bytearray(), bytes(payload)
    while rest:
        member = zlib.decompressobj(wbits=31)
        inflated += member.decompress(rest, most + 1 - len(inflated))
        if len(inflated) > most:
            raise _too_far(most)
        if not member.eof:
            msg = "the compressed data ends too early"
            raise EOFError(msg)
        rest = member.unused_data.lstrip(b"\x00")
    return bytes(inflated)


def snappy(payload: Any, most: int = MAX_INFLATED_BATCH_BYTES) -> bytes:  # noqa: ANN401 - any buffer
    """Inflate, with Java's framing or without. Raises: InflatedTooFar, struct.error, cramjam.DecompressionError."""
    if _snappy_size(bytes(payload)) > most:
        raise _too_far(most)
    return codec.snappy_decode(payload)


def lz4(payload: Any, most: int = MAX_INFLATED_BATCH_BYTES) -> bytes:  # noqa: ANN401 - any buffer
    """Inflate a frame. Raises: InflatedTooFar, cramjam.DecompressionError."""
    return _growing(cramjam.lz4.decompress_into, payload, most)


def zstd(payload: Any, most: int = MAX_INFLATED_BATCH_BYTES) -> bytes:  # noqa: ANN401 - any buffer
    """Inflate. Raises: InflatedTooFar, cramjam.DecompressionError."""
    return _growing(cramjam.zstd.decompress_into, payload, most)


def _snappy_size(payload: bytes) -> int:
    """Return the size that the blocks say they have; the decoder holds them to it."""
    if not payload.startswith(_XERIAL):
        return cramjam.snappy.decompress_raw_len(payload)
    size, at = 0, _XERIAL_HEADER_BYTES
    while at < len(payload):
        (block,) = struct.unpack_from("!I", payload, at)  # a negative size would lead the client round in circles
        at += 4
        size += cramjam.snappy.decompress_raw_len(payload[at : at + block])
        at += block
    return size


def _growing(inflate_into: Callable[[Any, Any], int], payload: Any, most: int) -> bytes:  # noqa: ANN401 - any buffer
    """Inflate into a buffer that is made larger until it suffices: not every batch says how large it is."""
    room = min(most, max(65_536, 8 * len(payload)))
    while True:
        buffer = bytearray(room)
        try:
            size = inflate_into(payload, buffer)
        except cramjam.DecompressionError as error:
            if "whole buffer" not in str(error):
                raise
        else:
            return bytes(memoryview(buffer)[:size])
        if room == most:
            raise _too_far(most)
        room = min(most, 8 * room)


def _too_far(most: int) -> InflatedTooFar:
    return InflatedTooFar(f"a compressed batch has more than {most} bytes when it is inflated")


def _counted(inflate: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    def within(payload: Any) -> bytes:  # noqa: ANN401 - any buffer
        inflated = inflate(payload)
        left = _left.get()
        if left is not None:
            if len(inflated) > left:
                msg = "the batches of one call are too large together"
                raise InflatedTooFar(msg)
            _left.set(left - len(inflated))
        return inflated

    return within


def install() -> None:
    """Make the Kafka client inflate within the bounds."""
    for module in (import_module("aiokafka.record.default_records"), _compiled()):
        for inflate in (gzip, snappy, lz4, zstd):
            setattr(module, f"{inflate.__name__}_decode", _counted(inflate))


def _compiled() -> Any:  # noqa: ANN401 - a module without types
    from aiokafka.record import default_records  # noqa: PLC0415 - which of the two forms is used is known by then

    return import_module(default_records.DefaultRecordBatch.__module__)
