"""A batch can be halved down to single records, and comes to the same."""

from collections.abc import Sequence

from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from transport.batch import Batch
from transport.records import ConsumerRecord, KafkaRecord, Undecodable

TOPIC = "invoice.commands.tax"
STEPS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.booleans()), min_size=1, max_size=24)
"""Of each record: its partition, the offsets that it stands for or is followed by, and whether it can be decoded."""


def batch(steps: Sequence[tuple[int, int, bool]]) -> Batch:
    starts = {TopicPartition(TOPIC, partition): 7 for partition, _, _ in steps}
    next_ = dict.fromkeys(range(4), 10)  # offsets have gaps: a batch starts before its first record
    records: list[KafkaRecord] = []
    for partition, width, decodable in steps:
        offset = next_[partition]
        records.append(
            ConsumerRecord(TOPIC, partition, offset, 0, 0, None, None, None, 0, 0, ())
            if decodable
            else Undecodable(TOPIC, partition, offset, "unknown codec", width)
        )
        next_[partition] += width
    return Batch(records, starts)


def halved(whole: Batch) -> list[Batch]:
    """Halve down to single records."""
    if len(whole.records) == 1:
        return [whole]
    first, second = whole.halves()
    return [*halved(first), *halved(second)]


@given(STEPS)
def test_single_records_one_after_the_other_move_the_positions_as_the_whole_batch_does(
    steps: list[tuple[int, int, bool]],
) -> None:
    whole = batch(steps)
    singles = halved(whole)
    assert [record for single in singles for record in single.records] == whole.records
    at = {(move.topic, move.partition): move.was for move in whole.moves}
    for single in singles:
        (move,) = single.moves
        assert move.was == at[move.topic, move.partition]
        at[move.topic, move.partition] = move.next
    assert at == {(move.topic, move.partition): move.next for move in whole.moves}


@given(STEPS)
def test_a_batch_moves_exactly_the_partitions_of_its_records(steps: list[tuple[int, int, bool]]) -> None:
    for part in (batch(steps), *batch(steps).halves()):
        assert part.partitions() == sorted({TopicPartition(one.topic, one.partition) for one in part.records})
        assert [(move.topic, move.partition) for move in part.moves] == list(part.ends)


@given(STEPS, st.sets(st.integers(0, 3)))
def test_a_part_moves_its_partitions_as_the_whole_batch_does(
    steps: list[tuple[int, int, bool]], partitions: set[int]
) -> None:
    whole, wanted = batch(steps), {TopicPartition(TOPIC, partition) for partition in partitions}
    part = whole.of(wanted)
    assert part.moves == [move for move in whole.moves if (move.topic, move.partition) in wanted]
