"""Compressed batches are inflated within bounds, whatever the codec."""

from collections.abc import Callable

import cramjam
import pytest
from aiokafka import codec
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from tests.support.kafka_codecs import CODECS
from transport.clients import decompression, stepping_consumer
from transport.clients.decompression import MAX_INFLATED_BATCH_BYTES, InflatedTooFar, at_most

assert stepping_consumer.SteppingConsumer, "importing the consumer bounds the client"


def batch(codec_number: int, value: bytes) -> bytes:
    """Return a batch with one record, as a publisher builds it."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec_number,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 30,
    )
    builder.append(0, 0, None, value, [])
    return bytes(builder.build())


@pytest.mark.parametrize("number", CODECS.values(), ids=CODECS.keys())
@pytest.mark.parametrize("size", [0, 10, 70_000, 5_000_000])
def test_what_a_publisher_compressed_is_read(number: int, size: int) -> None:
    (record,) = DefaultRecordBatch(batch(number, b"ab" * size))
    assert record.value == b"ab" * size


@pytest.mark.parametrize("number", CODECS.values(), ids=CODECS.keys())
def test_a_batch_that_inflates_too_far_is_given_up(number: int) -> None:
    with pytest.raises(InflatedTooFar):
        list(DefaultRecordBatch(batch(number, bytes(MAX_INFLATED_BATCH_BYTES + 1))))


def test_batches_of_one_call_share_a_bound() -> None:
    with at_most(1_000_000):
        for _ in range(10):
            list(DefaultRecordBatch(batch(CODECS["gzip"], bytes(99_000))))
        with pytest.raises(InflatedTooFar):
            list(DefaultRecordBatch(batch(CODECS["gzip"], bytes(99_000))))


@pytest.mark.parametrize("inflate", [decompression.gzip, decompression.snappy, decompression.lz4, decompression.zstd])
def test_what_is_not_compressed_at_all_is_an_error(inflate: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Exception, match=r"\w"):
        inflate(b"this is no compressed data, and never was")


def test_gzip_of_several_members_is_read_whole() -> None:
    assert decompression.gzip(codec.gzip_encode(b"one") + codec.gzip_encode(b"two")) == b"onetwo"


def test_a_compressed_batch_that_ends_too_early_is_an_error() -> None:
    with pytest.raises(EOFError):
        decompression.gzip(codec.gzip_encode(bytes(1000))[:-9])


def test_snappy_in_the_framing_of_java_is_read_and_bounded() -> None:
    framed = codec.snappy_encode(b"ab" * 100_000)
    assert decompression.snappy(framed) == b"ab" * 100_000
    with pytest.raises(InflatedTooFar):
        decompression.snappy(framed, most=199_999)


def test_a_block_of_negative_size_does_not_lead_round_in_circles() -> None:
    block = bytes(cramjam.snappy.compress_raw(b"ab"))
    with pytest.raises(Exception, match=r"\w"):
        decompression.snappy(codec.snappy_encode(b"")[:16] + b"\xff\xff\xff\xfc" + block)
