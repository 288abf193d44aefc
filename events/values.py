"""Words of the business that are single values: money, numbers, dates, and the closed lists.

Every type validates strictly: a JSON number is never money and never a number of a document. Each says in its
error what it wants, since the sentence goes back to the publisher (``details.faults``).
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from math import isinf
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetPydanticSchema, JsonValue, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


def _said(schema: CoreSchema, kind: str, sentence: str) -> CoreSchema:
    """Answer any fault in ``schema`` with one sentence, at no cost where there is none."""
    return core_schema.custom_error_schema(schema, f"redletter_{kind}", custom_error_message=sentence)


def _text(kind: str, pattern: str | None, sentence: str, longest: int | None = None) -> Any:  # noqa: ANN401 - an annotation for Annotated[]
    schema = _said(core_schema.str_schema(pattern=pattern, max_length=longest, strict=True), kind, sentence)
    return _validated(schema)


def _validated(schema: CoreSchema) -> Any:  # noqa: ANN401 - the same
    """Validate with this schema. Each use has a copy: pydantic writes down on it what the schema is called."""
    return GetPydanticSchema(lambda _source, _handler: schema.copy())


def _named(name: str, meaning: str, written: str | None = None) -> Any:  # noqa: ANN401 - the same
    """Call a value by this name in the published schemas. written: its `format` in JSON Schema, if it has one."""
    return Field(title=name, description=meaning, json_schema_extra={"format": written} if written else None)


_NEITHER_CONTROL_NOR_BIDI = r"\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069"
_ONE_LINE = rf"^[^\s{_NEITHER_CONTROL_NOR_BIDI}]([^{_NEITHER_CONTROL_NOR_BIDI}]*[^\s{_NEITHER_CONTROL_NOR_BIDI}])?$"
"""Text that looks like what it is: no blank at either end, and nothing that moves a cursor or turns text."""


def _line(kind: str, longest: int) -> Any:  # noqa: ANN401 - an annotation for Annotated[]
    """Name a person or a thing in 1 to ``longest`` characters."""
    sentence = f"must be 1 to {longest} characters, no blank at either end and no control or bidirectional character"
    return _text(kind, _ONE_LINE, sentence, longest)


def _written(kind: str, pattern: str, read: CoreSchema, own: type, sentence: str) -> Any:  # noqa: ANN401 - the same
    """Read a value that is written as a string: JSON gives the string, Python code may give the value itself."""
    written = core_schema.chain_schema([core_schema.str_schema(pattern=pattern, strict=True), read])
    either = core_schema.union_schema([core_schema.is_instance_schema(own), written], mode="left_to_right")
    schema = _said(core_schema.json_or_python_schema(json_schema=written, python_schema=either), kind, sentence)
    return _validated(schema)


_MONEY = r"^(-?[1-9][0-9]{0,15}\.[0-9]{2}|0\.[0-9]{2}|-0\.(0[1-9]|[1-9][0-9]))$"
_POSITIVE_MONEY = r"^([1-9][0-9]{0,15}\.[0-9]{2}|0\.(0[1-9]|[1-9][0-9]))$"
_NON_NEGATIVE_MONEY = r"^(0|[1-9][0-9]{0,15})\.[0-9]{2}$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"

_LEAP_SECOND = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:60(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
_EARLIEST, _LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
"""Times that every time zone can write."""


def _after_leap_second(written: str) -> datetime:
    """Return the second after 23:59:59 UTC, as POSIX time and PostgreSQL count a leap second."""
    before = datetime.fromisoformat(written[:17].upper() + "59" + written[19:].upper())
    instant = before.astimezone(UTC)
    if (instant.hour, instant.minute) != (23, 59):
        msg = "only the last minute of a day in UTC has a leap second"
        raise ValueError(msg)
    return before + timedelta(seconds=1)


_INSTANT = core_schema.union_schema(
    [
        core_schema.datetime_schema(tz_constraint="aware", strict=False, ge=_EARLIEST, le=_LATEST),
        core_schema.chain_schema(
            [
                core_schema.str_schema(pattern=_LEAP_SECOND, strict=True),
                core_schema.no_info_plain_validator_function(_after_leap_second),
                core_schema.datetime_schema(ge=_EARLIEST, le=_LATEST),
            ]
        ),
    ],
    mode="left_to_right",
)


def _money(pattern: str, sentence: str) -> Any:  # noqa: ANN401 - the same
    amount = core_schema.no_info_after_validator_function(Decimal, core_schema.str_schema(pattern=pattern, strict=True))
    either = core_schema.union_schema([core_schema.is_instance_schema(Decimal), amount], mode="left_to_right")
    schema = _said(
        core_schema.json_or_python_schema(
            json_schema=amount, python_schema=either, serialization=core_schema.to_string_ser_schema()
        ),
        "money",
        sentence,
    )
    return _validated(schema)


Money = Annotated[
    Decimal,
    _money(_MONEY, 'must be a decimal string with exactly two digits after the point, such as "106.00"'),
    _named("Money", "An amount in CNY: a decimal string with exactly two digits after the point, at most 16 before."),
]
PositiveMoney = Annotated[
    Decimal,
    _money(
        _POSITIVE_MONEY,
        'must be a decimal string of more than zero with exactly two digits after the point, such as "106.00"',
    ),
    _named("PositiveMoney", "An amount in CNY of more than zero: a decimal string with two digits after the point."),
]
NonNegativeMoney = Annotated[
    Decimal,
    _money(
        _NON_NEGATIVE_MONEY,
        'must be a decimal string of zero or more with exactly two digits after the point, such as "106.00"',
    ),
    _named("NonNegativeMoney", "An amount in CNY of zero or more: a decimal string with two digits after the point."),
]

Day = Annotated[
    date,
    _written("date", _DATE, core_schema.date_schema(strict=False), date, "must be a date written YYYY-MM-DD"),
    _named("Day", "A calendar day in China, YYYY-MM-DD.", "date"),
]
Time = Annotated[
    datetime,
    _written(
        "time",
        _TIME,
        _INSTANT,
        datetime,
        "must be an RFC 3339 time with an offset, such as 2026-02-13T09:30:00+08:00",
    ),
    _named("Time", "A moment: an RFC 3339 time with an offset.", "date-time"),
]
_NUMBER_PATTERN = r"^[0-9]{20}$"
"""Of invoices, credit notes and red-font forms."""
_NUMBER = _text("number", _NUMBER_PATTERN, "must be exactly 20 digits 0-9")
InvoiceNumber = Annotated[
    str, _NUMBER, _named("InvoiceNumber", "The number of an invoice: 20 digits, the first two its year of issue.")
]
_INVOICE_NUMBER = re.compile(_NUMBER_PATTERN)


def is_invoice_number(text: str) -> bool:
    """Return whether a text is written like the number of an invoice."""
    return _INVOICE_NUMBER.fullmatch(text) is not None


CreditNoteNumber = Annotated[str, _NUMBER, _named("CreditNoteNumber", "The number of a credit note: 20 digits.")]
RedFontFormNumber = Annotated[
    str,
    _NUMBER,
    _named("RedFontFormNumber", "The number of a Red-font Invoice Information Confirmation Form: 20 digits."),
]
TaxId = Annotated[
    str,
    _text("tax_id", r"^[A-Za-z0-9]{1,20}$", "must be 1 to 20 letters or digits"),
    _named("TaxId", "The number under which a party is registered for tax: 1 to 20 letters or digits, in any case."),
]
AccountId = Annotated[
    str,
    _line("account_id", 64),
    _named("AccountId", "The customer's account that an invoice belongs to."),
]
ChargeId = Annotated[str, _line("charge_id", 64), _named("ChargeId", "A charge; its id is unique over all accounts.")]
ReturnId = Annotated[str, _line("return_id", 64), _named("ReturnId", "One return of an invoice.")]
ReissueId = Annotated[str, _line("reissue_id", 64), _named("ReissueId", "One wish for a new invoice.")]
Name = Annotated[
    str, _line("name", 200), _named("Name", "Who issued an invoice, or whom it is made out to: 1 to 200 characters.")
]
Remarks = Annotated[str, _named("Remarks", "Free text.")]
RequestedBy = Annotated[
    str,
    _line("requested_by", 128),
    _named("RequestedBy", "Who asked for a return or a reissue, in the words of the program that sent it."),
]
ErasureReason = Annotated[
    str,
    _line("erasure_reason", 500),
    _named("ErasureReason", "Why the texts of an invoice are erased; it is kept, so it names nobody."),
]
FailureCode = Annotated[
    str,
    _text(
        "code",
        r"^[A-Z][A-Z0-9_]{0,63}$",
        "must be a code of 1 to 64 capital letters, digits and underscores that begins with a letter",
    ),
    _named("FailureCode", "Why the tax side failed: a code of the tax connector's own."),
]
Detail = Annotated[
    str,
    _text("detail", None, "must be a string of at most 500 characters", 500),
    _named("Detail", "What the tax side adds, for people."),
]
HttpsUrl = Annotated[
    str,
    _text(
        "url",
        r"^https://[A-Za-z0-9\-._~:@!$&'()*+,;=%\[\]]+([/?#][A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*)?$",
        "must be an address that begins with https://, of at most 2048 characters",
        2048,
    ),
    _named("HttpsUrl", "Where a file is.", "uri"),
]
Sha256 = Annotated[
    str,
    _text("sha256", r"^[0-9A-Fa-f]{64}$", "must be a SHA-256 digest: 64 hexadecimal digits"),
    _named("Sha256", "The SHA-256 digest of a file: 64 hexadecimal digits."),
]
Sealed = Annotated[
    str,
    _named(
        "Sealed",
        "Texts that were sealed: a compact JWE (dir, A256GCM) whose kid is the invoice. Its plaintext is a JSON object "
        "that has each text under the JSON pointer to where it was; something else stands there.",
    ),
]
CommandId = Annotated[str, _named("CommandId", "The id (ce_id) of a command; with its source it says whose it is.")]
CommandSource = Annotated[str, _named("CommandSource", "The source (ce_source) of a command: who sent it.")]
CommandType = Annotated[str, _named("CommandType", "The full type (ce_type) of a command.")]

Kind = Annotated[
    Literal["general", "special"],
    _named("Kind", "A general electronic invoice, or a special electronic VAT invoice."),
]
PostingStatus = Annotated[
    Literal["recorded", "not_recorded"],
    _named("PostingStatus", "Whether the buyer has recorded the invoice in the books."),
]
SeenPostingStatus = Annotated[
    Literal["recorded", "not_recorded", "unknown"],
    _named("SeenPostingStatus", "Whether the buyer has recorded the invoice; unknown until it was observed."),
]
Route = Annotated[
    Literal["simple", "form"],
    _named("Route", "How an invoice is returned: without a form of the buyer's, or with one."),
]
ReturnReason = Annotated[
    Literal[
        "wrong_information",
        "wrong_invoice_type",
        "wrong_amount",
        "wrong_title_or_tax_id",
        "service_terminated",
        "sales_allowance",
        "other",
    ],
    _named("ReturnReason", "Why an invoice is returned."),
]
StatusCode = Annotated[
    Literal["issued", "return_in_progress", "reversed_with_credit_note", "returned"],
    _named("StatusCode", "The status of an invoice. What may be done follows from it alone."),
]
Phase = Annotated[
    Literal["verifying_form", "opening_form", "issuing_credit_note", "verifying_reversal", "complete", "refused"],
    _named("Phase", "What the latest return waits for, or how it ended."),
]


def _plain(value: JsonValue) -> JsonValue:
    match value:
        case dict():
            return {name: _plain(item) for name, item in sorted(value.items()) if item is not None}
        case list():
            return [_plain(item) for item in value]
        case bool() | str() | None:
            return value
        case _:
            return _plain_number(value)


_EXACT = 2**53
"""Up to here a float holds every whole number."""


def _plain_number(number: float) -> float:
    """Return equal numbers in one form: whole ones as integers, and beyond 2^53 as floats where they are equal."""
    if isinstance(number, float):
        if isinf(number):
            raise PydanticCustomError("redletter_finite", "must not hold a number that is not finite")
        return int(number) if number.is_integer() and abs(number) <= _EXACT else number
    if abs(number) <= _EXACT:
        return number
    try:
        return near if (near := float(number)) == number else number
    except OverflowError:
        return number


_ANY_OBJECT = {"type": "object", "additionalProperties": True}
FreeObject = Annotated[
    dict[str, JsonValue],
    AfterValidator(_plain),
    WithJsonSchema({**_ANY_OBJECT, "title": "FreeObject", "description": "An object with any members."}),
]
"""A JSON object with any members, in the form that equal objects share: names in order, no nulls, 1 for 1.0."""


def _without_nulls(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value if item is not None] if isinstance(value, list) else value


def _facts(facts: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {name: _without_nulls(fact) for name, fact in facts.items() if fact is not None}


Facts = Annotated[
    dict[str, JsonValue],
    AfterValidator(_facts),
    WithJsonSchema({**_ANY_OBJECT, "title": "Facts", "description": "The facts behind a code, by name."}),
]
"""The facts behind a code, by name; what is absent is left out."""


class Message(BaseModel):
    """Base of everything published: frozen and strict. Unknown fields are ignored: a newer release may write more.

    Commands are closed instead (`events.commands.Command`), with everything in them (`events.command_bodies`).
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    @classmethod
    def of_valid(cls, **fields: object) -> Self:
        """Make a message of values that are valid already, such as those of another message: nothing is checked."""
        return _unchecked(cls, {**_blank(cls), **fields})

    def but(self, **fields: object) -> Self:
        """Return the same message with other values in some fields, which are valid already: nothing is checked."""
        return _unchecked(type(self), {**self.__dict__, **fields})


_AnyMessage = TypeVar("_AnyMessage", bound=Message)


def _unchecked(kind: type[_AnyMessage], fields: dict[str, object]) -> _AnyMessage:
    """Do what `model_construct` and `model_copy` do, several times as fast. Fields are written in their order here."""
    made = kind.__new__(kind)
    _set(made, "__dict__", fields)
    _set(made, "__pydantic_fields_set__", _NONE_SET)
    _set(made, "__pydantic_extra__", None)
    _set(made, "__pydantic_private__", None)
    return made


_set = object.__setattr__
_NONE_SET = set[str]()
"""Which fields were given makes no difference to anything here."""


@cache
def _blank(kind: type[Message]) -> Mapping[str, object]:
    """Return the fields in the order in which they are written, with their defaults where they have any."""
    return {name: None if field.is_required() else field.default for name, field in kind.model_fields.items()}


class Seller(Message):
    """Who issued the invoice."""

    name: Name
    tax_id: TaxId


class Buyer(Message):
    """Who the invoice is made out to; a private person has no tax id."""

    name: Name
    tax_id: TaxId | None = None


class Charge(Message):
    """One charge on an invoice. A negative one is a discount."""

    charge_id: ChargeId
    amount: Money
    description: Annotated[str | None, Field(description="What was charged for.")] = None


class Document(Message):
    """A file of an invoice or a credit note, kept elsewhere: where it is and, where known, its digest."""

    format: Annotated[Literal["pdf", "ofd", "xml"], _named("DocumentFormat", "The format of a file.")]
    url: HttpsUrl
    sha256: Sha256 | None = None


Documents = Annotated[
    tuple[Document, ...], Field(max_length=10, strict=False, description="Where the files are; at most 10.")
]


class Replaces(Message):
    """The returned invoice, and the reissue of it, that a new invoice replaces."""

    invoice_number: InvoiceNumber
    reissue_id: ReissueId


class RedFontForm(Message):
    """A Red-font Invoice Information Confirmation Form as the tax system shows it.

    state and reason_code are the bureau's codes, kept as plain strings that the rules judge.
    Amounts are negative or zero on a full reversal; the rules judge the signs.
    """

    number: RedFontFormNumber
    state: Annotated[str, Field(description="The bureau's code of the form's state, such as 04: confirmed by both.")]
    invoice_number: InvoiceNumber
    kind: Kind
    seller_tax_id: TaxId
    buyer_tax_id: TaxId | None = None
    net_amount: Money
    tax_amount: Money
    reason_code: Annotated[str, Field(description="The bureau's code of the reason, such as 01: invoicing error.")]
    entered_at: Time
    confirmed_at: Time | None = None


class Calendar(Message):
    """Which calendar a due date was computed with; provisional past its last known year."""

    version: Annotated[str, Field(description="The name and version of the calendar.")]
    provisional: Annotated[bool, Field(description="Whether the days off were not decreed yet.")]
