"""The api keeps to its own description whatever it is asked, and its examples are true."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from events.commands import RequestReissue, RequestReturn
from events.replies import CommandAccepted
from projections.forms.queries import FormAnswer
from web.api.invoices import DetailsAnswer, HistoryAnswer, InvoicePage, StatusAnswer
from web.api.lookups import ChargesPage
from web.api.returns import ReturnsPage
from web.gateway.returns import ReturnOutcomes
from web.http import examples
from web.http.problems import ProblemDocument


@pytest.mark.parametrize(
    ("model", "example"),
    [
        (StatusAnswer, examples.STATUS_EXAMPLE),
        (DetailsAnswer, examples.DETAILS_EXAMPLE),
        (InvoicePage, examples.PAGE_EXAMPLE),
        (HistoryAnswer, examples.HISTORY_EXAMPLE),
        (ChargesPage, examples.CHARGES_EXAMPLE),
        (FormAnswer, examples.FORM_EXAMPLE),
        (ReturnsPage, examples.RETURNS_EXAMPLE),
        (ReturnOutcomes, examples.RETURN_OUTCOMES_EXAMPLE),
        (CommandAccepted, examples.ACCEPTED_EXAMPLE),
        (ProblemDocument, examples.PROBLEM_EXAMPLE),
        (RequestReturn, examples.RETURN_EXAMPLE | {"invoice_number": "26312000000000000001"}),
        (RequestReissue, examples.REISSUE_EXAMPLE | {"invoice_number": "26312000000000000001"}),
    ],
)
def test_every_example_is_what_it_is_an_example_of(model: type[BaseModel], example: dict[str, Any]) -> None:
    assert model.model_validate_json(json.dumps(example))
