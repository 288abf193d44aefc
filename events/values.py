"""Words of the business that are single values: money, numbers, dates, and the closed lists.

Every type validates strictly: a JSON number is never money and never a number of a document. Each says in its
error what it wants, since the sentence goes back to the publisher (``details.faults``).
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetPydanticSchema
from pydantic_core import CoreSchema, core_schema


def _said(schema: CoreSchema, kind: str, sentence: str) -> CoreSchema:
    """Answer any fault in ``schema`` with one sentence, at no cost where there is none."""
    return core_schema.custom_error_schema(schema, f"redletter_{kind}", custom_error_message=sentence)


def _text(kind: str, pattern: str, sentence: str) -> Any:  # noqa: ANN401 - an annotation for Annotated[]
    schema = _said(core_schema.str_schema(pattern=pattern, strict=True), kind, sentence)
    return GetPydanticSchema(lambda _source, _handler: schema)


def _written(kind: str, pattern: str, read: CoreSchema, own: type, sentence: str) -> Any:  # noqa: ANN401 - the same
    """Read a value that is written as a string: JSON gives the string, Python code may give the value itself."""
    written = core_schema.chain_schema([core_schema.str_schema(pattern=pattern, strict=True), read])
    either = core_schema.union_schema([core_schema.is_instance_schema(own), written], mode="left_to_right")
    schema = _said(core_schema.json_or_python_schema(json_schema=written, python_schema=either), kind, sentence)
    return GetPydanticSchema(lambda _source, _handler: schema)


_MONEY = r"^(-?[1-9][0-9]{0,15}\.[0-9]{2}|0\.[0-9]{2}|-0\.(0[1-9]|[1-9][0-9]))$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"

_AMOUNT = core_schema.no_info_after_validator_function(Decimal, core_schema.str_schema(pattern=_MONEY, strict=True))
_MONEY_SCHEMA = _said(
    core_schema.json_or_python_schema(
        json_schema=_AMOUNT,
        python_schema=core_schema.union_schema(
            [core_schema.is_instance_schema(Decimal), _AMOUNT], mode="left_to_right"
        ),
        serialization=core_schema.to_string_ser_schema(),
    ),
    "money",
    'must be a decimal string with exactly two digits after the point, such as "106.00"',
)
Money = Annotated[Decimal, GetPydanticSchema(lambda _source, _handler: _MONEY_SCHEMA)]
"""An amount in CNY. Written as a string with exactly two digits after the point, at most 16 before."""

Day = Annotated[
    date, _written("date", _DATE, core_schema.date_schema(strict=False), date, "must be a date written YYYY-MM-DD")
]
Time = Annotated[
    datetime,
    _written(
        "time",
        _TIME,
        core_schema.datetime_schema(tz_constraint="aware", strict=False),
        datetime,
        "must be an RFC 3339 time with an offset, such as 2026-02-13T09:30:00+08:00",
    ),
]
InvoiceNumber = Annotated[str, _text("number", r"^[0-9]{20}$", "must be exactly 20 digits 0-9")]
CreditNoteNumber = InvoiceNumber
RedFontFormNumber = InvoiceNumber
TaxId = Annotated[str, _text("tax_id", r"^[A-Za-z0-9]{1,20}$", "must be 1 to 20 letters or digits")]
_Name = Annotated[str, Field(min_length=1, max_length=64)]
AccountId = _Name
ChargeId = _Name
ReturnId = _Name
ReissueId = _Name

Kind = Literal["general", "special"]
PostingStatus = Literal["recorded", "not_recorded"]
SeenPostingStatus = Literal["recorded", "not_recorded", "unknown"]
Route = Literal["simple", "form"]
ReturnReason = Literal[
    "wrong_information",
    "wrong_invoice_type",
    "wrong_amount",
    "wrong_title_or_tax_id",
    "service_terminated",
    "sales_allowance",
    "other",
]
StatusCode = Literal["issued", "return_in_progress", "reversed_with_credit_note", "returned"]
Phase = Literal["verifying_form", "opening_form", "issuing_credit_note", "verifying_reversal", "complete", "refused"]


class Record(BaseModel):
    """Base of everything published: frozen, strict, and closed against unknown fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Seller(Record):
    """Who issued the invoice."""

    name: str
    tax_id: TaxId


class Buyer(Record):
    """Who the invoice is made out to; a private person has no tax id."""

    name: str
    tax_id: TaxId | None = None


class Charge(Record):
    """One charge on an invoice. A negative one is a discount."""

    charge_id: ChargeId
    amount: Money
    description: str | None = None


class Replaces(Record):
    """The returned invoice, and the reissue of it, that a new invoice replaces."""

    invoice_number: InvoiceNumber
    reissue_id: ReissueId


class RedFontForm(Record):
    """A Red-font Invoice Information Confirmation Form as the tax system shows it.

    state and reason_code are the bureau's codes, kept as plain strings that the rules judge.
    Amounts are negative or zero on a full reversal; the rules judge the signs.
    """

    number: RedFontFormNumber
    state: str
    invoice_number: InvoiceNumber
    kind: Kind
    seller_tax_id: TaxId
    buyer_tax_id: TaxId | None = None
    net_amount: Money
    tax_amount: Money
    reason_code: str
    entered_at: Time
    confirmed_at: Time | None = None


class Calendar(Record):
    """Which calendar a due date was computed with; provisional past its last known year."""

    version: str
    provisional: bool
