"""A worked example of a new version: meter readings, which exist in this file only.

Version 1 gave kilowatt hours and no unit, version 2 a unit, and version 3 splits the reader's name.
"""

import json
from typing import Any

import pytest
from pydantic import ConfigDict, ValidationError

from events.upcasting import Body, StoredEvents, Upcaster, WrittenByNewerRelease
from events.values import Message, Money, Time

V1 = b'{"meter":"m-1","read_at":"2019-01-31T23:00:00Z","kwh":"17.50","reader":"Li Wei"}'
V2 = b'{"meter":"m-1","read_at":"2022-01-31T23:00:00Z","amount":"19.00","unit":"MWh","reader":"Li Wei"}'
V3 = b'{"meter":"m-1","read_at":"2026-01-31T23:00:00Z","amount":"21.25","unit":"kWh","family":"Li","given":"Wei"}'
"""As they were stored; these bytes never change."""


class MeterRead(Message):
    """A meter was read: the shape of today, version 3."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    meter: str
    read_at: Time
    amount: Money
    unit: str
    family: str
    given: str


def with_a_unit(body: Body) -> Body:
    """Version 1 was always in kilowatt hours."""
    return {**_without(body, "kwh"), "amount": body["kwh"], "unit": "kWh"}


def with_two_names(body: Body) -> Body:
    """The reader was written with the family name first."""
    family, _, given = body["reader"].partition(" ")
    return {**_without(body, "reader"), "family": family, "given": given}


def _without(body: Body, name: str) -> Body:
    return {key: value for key, value in body.items() if key != name}


READINGS = StoredEvents(
    {"MeterRead.v3": MeterRead},
    {
        "MeterRead.v1": Upcaster("MeterRead.v2", with_a_unit),
        "MeterRead.v2": Upcaster("MeterRead.v3", with_two_names),
    },
)


def test_an_event_of_a_newer_release_is_reported_as_one() -> None:
    with pytest.raises(WrittenByNewerRelease, match=r"MeterRead\.v4"):
        READINGS.read("MeterRead.v4", V3)


@pytest.mark.parametrize(
    ("name", "stored", "amount", "unit"),
    [
        ("MeterRead.v1", V1, "17.50", "kWh"),
        ("MeterRead.v2", V2, "19.00", "MWh"),
        ("MeterRead.v3", V3, "21.25", "kWh"),
    ],
)
def test_bytes_of_every_version_read_as_todays_event(name: str, stored: bytes, amount: str, unit: str) -> None:
    upcast = json.loads(READINGS.read(name, stored).model_dump_json())
    assert upcast | {"read_at": ""} == {
        "meter": "m-1",
        "read_at": "",
        "amount": amount,
        "unit": unit,
        "family": "Li",
        "given": "Wei",
    }


def test_fields_of_the_future_are_ignored() -> None:
    future: dict[str, Any] = json.loads(V3) | {"weather": {"rain": True}}
    assert READINGS.read("MeterRead.v3", json.dumps(future).encode()) == READINGS.read("MeterRead.v3", V3)


def test_old_bytes_that_are_not_what_their_name_says_are_not_read() -> None:
    with pytest.raises(ValidationError):
        READINGS.read("MeterRead.v1", V1.replace(b"17.50", b"much"))


@pytest.mark.parametrize(
    "upcasters",
    [
        {"MeterRead.v1": "MeterRead.v2"},
        {"MeterRead.v3": "MeterRead.v3"},
        {"MeterRead.v1": "MeterRead.v2", "MeterRead.v2": "MeterRead.v1"},
    ],
)
def test_an_upcaster_that_leads_nowhere_or_in_a_circle_is_rejected_at_once(upcasters: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="lead on"):
        StoredEvents({"MeterRead.v3": MeterRead}, {name: Upcaster(to, dict) for name, to in upcasters.items()})
