"""What is wrong with a record, in bounds: whatever a publisher sends, what is said about it stays small."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

MAX_FAULTS = 100
MAX_FIELD_CHARACTERS = 200
MAX_MESSAGE_CHARACTERS = 500
MAX_ECHOED_CHARACTERS = 256
"""Characters of a publisher's own word, such as a type, that an answer repeats."""
_SUMMED_UP = 3


def cut(text: str, longest: int) -> str:
    """Return at most ``longest`` characters; an ellipsis stands for the rest."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def cut_bytes(text: str, longest: int) -> str:
    """Return text of at most ``longest`` bytes in UTF-8; an ellipsis stands for the rest."""
    if len(written := text.encode()) <= longest:
        return text
    return written[: longest - len("…".encode())].decode(errors="ignore") + "…"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a record: the field (a CloudEvents attribute or a path into the body) and why."""

    field: str
    message: str

    def __post_init__(self) -> None:
        """Cut what is too long to be repeated."""
        object.__setattr__(self, "field", cut(self.field, MAX_FIELD_CHARACTERS))
        object.__setattr__(self, "message", cut(self.message, MAX_MESSAGE_CHARACTERS))


class Faults:
    """All that is wrong with a record: the first 100 faults, and how many more there are. False when there is none."""

    __slots__ = ("first", "more")

    def __init__(self, *faults: Fault) -> None:
        """Begin with some faults, or with none."""
        self.first: list[Fault] = []
        self.more = 0
        if faults:
            self.add_all(faults)

    @classmethod
    def counted(cls, number: int, first: Iterable[Fault]) -> "Faults":
        """Return ``number`` faults of which only the first are at hand; there must be 100 of them, or all."""
        faults = cls(*first)
        faults.more = number - len(faults.first)
        return faults

    def add(self, field: str, message: str) -> None:
        """Keep one more fault, or count it."""
        self.add_all([Fault(field, message)])

    def add_all(self, faults: Iterable[Fault]) -> None:
        """Keep more faults, or count them; those that are only counted are never held all at once."""
        left = iter(faults)
        self.first += islice(left, MAX_FAULTS - len(self.first))
        self.more += sum(1 for _ in left)

    def join(self, other: "Faults") -> None:
        """Take over all the faults of another record part."""
        self.add_all(other.first)
        self.more += other.more

    def __bool__(self) -> bool:
        """Return whether anything is wrong."""
        return bool(self.first)

    def __iter__(self) -> Iterator[Fault]:
        """Yield at most 100 faults, and then one more that says how many are left."""
        yield from self.first
        if self.more:
            yield Fault("", f"and {self.more} more")

    def concerns(self, field: str) -> bool:
        """Return whether one of the first faults is about this field."""
        return any(fault.field == field for fault in self.first)

    def sum_up(self) -> str:
        """Name the first three in one line, and how many more there are."""
        named = "; ".join(f"{fault.field}: {fault.message}" for fault in self.first[:_SUMMED_UP])
        more = len(self.first) - _SUMMED_UP + self.more
        return f"{named}; and {more} more" if more > 0 else named
