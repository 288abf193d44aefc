"""What counts as a loss that can be rebuilt, and what does not."""

from dataclasses import replace

from service.log.entries import LogEntry
from service.reconcile.loss import Loss, letters, other_entries
from service.store.log_reader import LogPosition
from service.store.log_tables import Placed
from tests.service.support.records import raw
from tests.service.support.rows import AT, dead_letter, log_row, reply


def test_a_loss_stays_the_same_while_partitions_that_lack_nothing_are_written_to() -> None:
    loss = Loss({0: 10, 1: 20}, {0: LogPosition(12, None)}, [], {}, {})
    assert loss.fits({0: 10, 1: 21})
    assert not loss.fits({0: 11, 1: 20})


def test_an_entry_is_another_one_where_its_key_or_value_differs_but_not_where_kafka_has_a_stand_in() -> None:
    rows = [log_row(place, ends=True) for place in (7, 8, 9)]
    same = raw(key=rows[0].key, value=rows[0].value)
    stand_in = raw(key=rows[1].key, value=None)
    other = raw(key=rows[2].key, value=b"other")
    assert other_entries(rows, {7: same, 8: stand_in, 9: other}) == [9]


def test_a_dead_letter_is_known_by_its_record_and_by_when_it_was_buried() -> None:
    letter = dead_letter(answered=False)
    entries: list[Placed[LogEntry]] = [Placed(0, 1, letter), Placed(0, 2, reply("26", "id"))]
    again = replace(letter, buried_at=AT.replace(year=AT.year - 1))
    found = letters(entries)
    assert (letter.topic, letter.partition, letter.offset, letter.buried_at) in found
    assert (again.topic, again.partition, again.offset, again.buried_at) not in found
