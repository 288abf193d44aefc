"""Single values are strict, and say in their error what they want."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from events import values

MONEY: TypeAdapter[Any] = TypeAdapter(values.Money)


@pytest.mark.parametrize("written", ["0.00", "106.00", "-0.01", "-106.00", "9999999999999999.99"])
def test_money_is_a_decimal_string_and_is_written_as_it_was_read(written: str) -> None:
    amount = MONEY.validate_json(f'"{written}"')
    assert amount == Decimal(written)
    assert MONEY.dump_json(amount) == f'"{written}"'.encode()


@pytest.mark.parametrize(
    "written",
    ["106.00", "106", '"106"', '"106.0"', '"106.000"', '"-0.00"', '"+1.00"', '"01.00"', '" 1.00"', '"1e2"', '"NaN"'],
)
def test_anything_else_is_not_money(written: str) -> None:
    with pytest.raises(ValidationError, match="decimal string with exactly two digits"):
        MONEY.validate_json(written)


def test_money_has_at_most_sixteen_digits_before_the_point() -> None:
    with pytest.raises(ValidationError):
        MONEY.validate_json('"10000000000000000.00"')


@given(st.decimals(min_value=-(10**16) + 1, max_value=10**16 - 1, places=2))
def test_every_amount_survives_writing_and_reading(amount: Decimal) -> None:
    amount += Decimal("0.00")  # -0.00 is not an amount
    assert MONEY.validate_json(MONEY.dump_json(amount)) == amount


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (values.InvoiceNumber, '"2600000000000000000"'),
        (values.InvoiceNumber, '"260000000000000000010"'),
        (values.InvoiceNumber, '"2600000000000000000١"'),
        (values.InvoiceNumber, '"26000000000000000001\\n"'),
        (values.InvoiceNumber, "26000000000000000001"),
        (values.TaxId, '""'),
        (values.TaxId, '"91330106-A2CFLDG4R"'),
        (values.Day, '"2026-2-13"'),
        (values.Day, '"2026-02-30"'),
        (values.Day, '"2026-02-13T00:00:00Z"'),
        (values.Day, "20260213"),
        (values.Time, '"2026-02-13T09:30:00"'),
        (values.Time, '"2026-02-13"'),
        (values.Time, "1770946200"),
        (values.Time, '"2026-13-45T99:99:99Z"'),
        (values.Time, '"2026-07-01T07:59:60Z"'),
        (values.Time, '"2026-06-31T23:59:60Z"'),
        (values.Time, '"0001-01-01T00:00:00+08:00"'),
        (values.Time, '"9999-12-31T23:59:59-12:00"'),
        (values.FailureCode, '"9TIMEOUT"'),
        (values.FailureCode, '"timeout"'),
        (values.FailureCode, f'"{"A" * 65}"'),
        (values.Detail, f'"{"x" * 501}"'),
        (values.HttpsUrl, '"http://example.com/1.pdf"'),
        (values.HttpsUrl, '"https://"'),
        (values.HttpsUrl, '"https:///1.pdf"'),
        (values.HttpsUrl, '"https://example.com/ 1.pdf"'),
        (values.HttpsUrl, '"javascript:alert(1)//https://example.com"'),
        (values.HttpsUrl, f'"https://example.com/{"x" * 2048}"'),
        (values.Sha256, f'"{"a" * 63}"'),
        (values.Sha256, f'"{"g" * 64}"'),
    ],
)
def test_a_value_of_another_shape_is_refused(kind: Any, written: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[object](kind).validate_json(written)


def test_dates_and_times_keep_what_was_written() -> None:
    assert TypeAdapter[date](values.Day).validate_json('"2026-02-13"') == date(2026, 2, 13)
    time = TypeAdapter[datetime](values.Time).validate_json('"2026-02-13T09:30:00+08:00"')
    assert time.utcoffset() == timedelta(hours=8)
    assert TypeAdapter[datetime](values.Time).dump_json(time) == b'"2026-02-13T09:30:00+08:00"'


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-06-30T23:59:60Z", datetime(2026, 7, 1, tzinfo=UTC)),
        ("2026-06-30t23:59:60.25z", datetime(2026, 7, 1, 0, 0, 0, 250000, tzinfo=UTC)),
        ("2026-07-01T07:59:60+08:00", datetime(2026, 7, 1, tzinfo=UTC)),
    ],
)
def test_a_leap_second_is_the_second_after_the_one_before_it(written: str, instant: datetime) -> None:
    assert TypeAdapter[datetime](values.Time).validate_json(f'"{written}"') == instant


LONGEST = {
    values.AccountId: 64,
    values.ChargeId: 64,
    values.ReturnId: 64,
    values.ReissueId: 64,
    values.RequestedBy: 128,
    values.Name: 200,
}


@pytest.mark.parametrize(("kind", "longest"), LONGEST.items())
def test_identifiers_and_names_have_a_bound_in_characters(kind: Any, longest: int) -> None:
    text = TypeAdapter[str](kind)
    assert text.validate_python("云" * longest) == "云" * longest
    assert text.validate_python("a b") == "a b"
    with pytest.raises(ValidationError, match=f"must be 1 to {longest} characters"):
        text.validate_python("云" * (longest + 1))


@pytest.mark.parametrize("kind", LONGEST)
@pytest.mark.parametrize(
    "deceptive",
    ["", " ", "\u3000", " a", "a ", "a\u00a0", "a\n", "a\nb", "a\x1b[2J", "a\x7f", "a\u009b", "a\u202eb", "a\u2069"],
)
def test_identifiers_and_names_look_like_what_they_are(kind: Any, deceptive: str) -> None:
    with pytest.raises(ValidationError, match="no blank at either end and no control or bidirectional"):
        TypeAdapter[str](kind).validate_python(deceptive)


def test_sellers_and_buyers_have_names() -> None:
    with pytest.raises(ValidationError):
        values.Seller(name=" ", tax_id="A1")
    with pytest.raises(ValidationError):
        values.Buyer(name="\u202egnp.exe")


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (values.FailureCode, "TAX_SYSTEM_TIMEOUT_504"),
        (values.FailureCode, "A" * 64),
        (values.Detail, ""),
        (values.Detail, "two\nlines " * 45),
        (values.HttpsUrl, "https://files.example.com:8443/26/1.pdf?sign=a%2Fb&x=[1]#p"),
        (values.HttpsUrl, "https://example.com"),
        (values.Sha256, "0a" * 32),
        (values.Sha256, "0A" * 32),
    ],
)
def test_codes_details_addresses_and_digests_are_kept_as_written(kind: Any, written: str) -> None:
    assert TypeAdapter[str](kind).validate_python(written) == written


@pytest.mark.parametrize("written", ['{"a":1e400}', '{"a":[{"b":-1E+400}]}', '{"a":1' + "0" * 400 + ".5}"])
def test_a_free_object_holds_no_number_that_is_too_large_for_a_float(written: str) -> None:
    with pytest.raises(ValidationError, match="must not hold a number that is not finite"):
        TypeAdapter(values.FreeObject).validate_json(written)


def test_a_message_of_valid_values_is_equal_to_one_that_was_validated_and_is_written_alike() -> None:
    validated = values.Charge(charge_id="c1", amount=Decimal("1.00"))
    made = values.Charge.of_valid(amount=Decimal("1.00"), charge_id="c1")
    assert made == validated
    assert made.model_dump_json() == validated.model_dump_json()


def test_a_message_with_other_values_leaves_the_first_as_it_was() -> None:
    first = values.Charge(charge_id="c1", amount=Decimal("1.00"))
    other = first.but(amount=Decimal("2.00"))
    assert other == values.Charge(charge_id="c1", amount=Decimal("2.00"))
    assert first.amount == Decimal("1.00")
    assert other.model_copy(update={"charge_id": "c2"}).model_fields_set == {"charge_id"}
    assert first.but().model_fields_set == set()
