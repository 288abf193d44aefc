"""The description of the api shows every answer by one example, which is right."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, NamedTuple

import jsonschema_rs
import pytest
from pydantic import BaseModel

from events.commands import RequestReissue, RequestReturn
from service.invoice.refusals import refuse
from transport.addresses import Addresses
from web.app import build
from web.http import examples
from web.http.identity import Access
from web.http.issuer_documents import Issuer
from web.http.problems import MEDIA_TYPE

JSON = "application/json"
NOWHERE = Addresses("nowhere:1", "postgresql://nobody@nowhere/nothing")
DOCUMENT = build(NOWHERE, access=Access(issuer=Issuer("https://login.example", "redletter"))).openapi()


class Described(NamedTuple):
    """A body that the description shows: of a request, or of an answer with a status."""

    operation: str
    status: str
    text: str
    media_type: str
    content: dict[str, Any]


def bodies() -> Iterator[Described]:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            name = f"{method.upper()} {path}"
            for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
                yield Described(name, "request", "", media_type, content)
            for status, answer in operation["responses"].items():
                for media_type, content in answer.get("content", {}).items():
                    yield Described(name, status, answer["description"], media_type, content)


BODIES = [one for one in bodies() if one.media_type in {JSON, MEDIA_TYPE}]
PROBLEMS = [one for one in BODIES if one.media_type == MEDIA_TYPE]


def named(bodies: list[Described]) -> Any:
    return pytest.mark.parametrize("one", bodies, ids=[f"{one.operation} {one.status}" for one in bodies])


@named(BODIES)
def test_every_body_has_one_example_that_fits_its_schema(one: Described) -> None:
    schema = {**one.content["schema"], "components": DOCUMENT["components"]}
    jsonschema_rs.validator_for(schema).validate(one.content["example"])


@named(PROBLEMS)
def test_the_example_of_a_problem_has_the_status_and_the_code_that_it_is_described_with(one: Described) -> None:
    example = one.content["example"]
    assert str(example["status"]) == one.status
    assert example["title"] == HTTPStatus(int(one.status)).phrase
    assert example["type"] == f"urn:redletter:problem:{example['code']}"
    assert one.text.startswith(example["code"])


def test_an_answer_that_failed_is_a_problem_document_on_every_operation() -> None:
    failed = [one for one in BODIES if one.status.isdecimal() and int(one.status) >= HTTPStatus.BAD_REQUEST]
    assert failed == PROBLEMS
    assert len({(one.operation, one.status) for one in failed}) == len(failed) > 33


@pytest.mark.parametrize("path", ["/invoices/{number}/return", "/invoices/{number}/reissue"])
def test_a_command_cannot_be_sent_without_a_key(path: str) -> None:
    key = next(one for one in DOCUMENT["paths"][path]["post"]["parameters"] if one["name"] == "Idempotency-Key")
    assert key["in"] == "header"
    assert key["required"]
    jsonschema_rs.validator_for(key["schema"]).validate(key["example"])
    for wrong in ("", "x" * 129, " x", "é"):
        assert not jsonschema_rs.validator_for(key["schema"]).is_valid(wrong)


def test_every_operation_has_a_name_of_its_own_that_generated_code_may_bear() -> None:
    names = [operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len(set(names)) == len(names)
    assert {"invoice_status", "return_list", "RequestReturn", "RequestReturns"} <= set(names)


@pytest.mark.parametrize(
    ("model", "example"),
    [
        (RequestReturn, examples.RETURN_EXAMPLE | {"invoice_number": "26312000000000000001"}),
        (RequestReissue, examples.REISSUE_EXAMPLE | {"invoice_number": "26312000000000000001"}),
    ],
)
def test_the_example_of_a_command_is_one(model: type[BaseModel], example: dict[str, Any]) -> None:
    assert model.model_validate_json(json.dumps(example))


@pytest.mark.parametrize("example", examples.REFUSED_EXAMPLES, ids=lambda example: example["code"])
def test_the_example_of_a_refusal_says_what_the_rules_say(example: dict[str, Any]) -> None:
    assert refuse(example["code"], **example["details"]).message == example["message"]


def operations(document: dict[str, Any]) -> dict[str, Any]:
    return {f"{method.upper()} {path}": one for path, all_ in document["paths"].items() for method, one in all_.items()}


def test_the_description_says_who_may_ask_and_what_others_are_told() -> None:
    assert DOCUMENT["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    described = operations(DOCUMENT)
    without_token = {"GET /livez", "GET /readyz"}
    assert {name for name, one in described.items() if "security" not in one} == without_token
    assert {name for name, one in described.items() if "401" not in one["responses"]} == without_token
    assert {name for name, one in described.items() if "421" not in one["responses"]} == set()
    forbidden = {
        name: one["responses"]["403"]["description"] for name, one in described.items() if "403" in one["responses"]
    }
    assert forbidden == {
        "GET /operations": "OPERATORS_ONLY",
        "GET /metrics": "OPERATORS_ONLY",
        **{name: "CROSS_SITE_REQUEST" for name in described if name.startswith("POST")},
    }


def test_an_api_that_asks_nobody_describes_no_token() -> None:
    document = build(NOWHERE).openapi()
    assert "securitySchemes" not in document["components"]
    assert [name for name, one in operations(document).items() if "security" in one or "401" in one["responses"]] == []
