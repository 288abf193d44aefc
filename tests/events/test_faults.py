"""What is said about a bad record stays small, whatever the record was."""

from events.faults import MAX_FAULTS, Fault, Faults, cut_bytes


def test_a_fault_is_cut_where_it_is_made() -> None:
    fault = Fault("f" * 300, "m" * 600)
    assert (len(fault.field), len(fault.message)) == (200, 500)
    assert fault.field.endswith("f…")
    assert Fault("f" * 200, "m" * 500) == Fault("f" * 200, "m" * 500)


def test_a_hundred_faults_are_listed_and_the_rest_are_counted() -> None:
    faults = Faults()
    for number in range(250):
        faults.add(str(number), "is wrong")
    listed = list(faults)
    assert [fault.field for fault in listed[:100]] == [str(number) for number in range(100)]
    assert listed[100:] == [Fault("", "and 150 more")]


def test_faults_of_two_parts_are_counted_together() -> None:
    faults = Faults(Fault("id", "is missing"))
    faults.join(Faults.counted(1000, [Fault(str(number), "is wrong") for number in range(MAX_FAULTS)]))
    assert list(faults)[-1] == Fault("", "and 901 more")


def test_three_faults_are_named_in_one_line() -> None:
    faults = Faults(*(Fault(letter, "is wrong") for letter in "abc"))
    assert faults.sum_up() == "a: is wrong; b: is wrong; c: is wrong"
    faults.add("d", "is wrong")
    assert faults.sum_up() == "a: is wrong; b: is wrong; c: is wrong; and 1 more"


def test_bytes_are_cut_between_characters() -> None:
    assert cut_bytes("云" * 4, 12) == "云" * 4
    assert cut_bytes("云" * 5, 14) == "云" * 3 + "…"
    assert len(cut_bytes("云" * 5000, 4096).encode()) <= 4096
