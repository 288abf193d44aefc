"""How the commands that ask the api do so."""

import io
from urllib.request import Request

import pytest

from redletter import api_client
from redletter.api_client import Api
from redletter.settings import InvalidSettings, read

BEARER = "eyJ0eXAiOiJhdCtqd3QifQ.e30.c2ln"


@pytest.mark.parametrize(("token", "sent"), [(None, None), (BEARER, f"Bearer {BEARER}")])
def test_the_api_is_asked_with_the_token_that_is_set(
    monkeypatch: pytest.MonkeyPatch, token: str | None, sent: str | None
) -> None:
    asked: list[Request] = []

    def answer(request: Request, **_: float) -> io.BytesIO:
        asked.append(request)
        return io.BytesIO(b"{}")

    monkeypatch.setattr(api_client, "urlopen", answer)
    api_client.status(Api("http://127.0.0.1:8080", token), "26310000000000000001")
    assert [one.get_header("Authorization") for one in asked] == [sent]
    assert [BEARER in one.full_url for one in asked] == [False]


def test_no_message_repeats_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDLETTER_API_TOKEN", BEARER)
    assert read().api_token == BEARER
    assert BEARER not in repr(read())
    monkeypatch.setenv("REDLETTER_API_TOKEN", f"Bearer {BEARER}")
    with pytest.raises(InvalidSettings, match="must be an access token without `Bearer`") as found:
        read()
    assert BEARER not in str(found.value)
