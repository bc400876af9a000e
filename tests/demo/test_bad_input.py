"""What bad input gets from the demo: a true status, and a JSON body with the reason."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gai_stream.demo import app as demo
from gai_stream.providers.scripted import ScriptedProvider
from gai_stream.testing import ASGIClient, ClientResponse

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client() -> AsyncIterator[ASGIClient]:
    names = ("scripted", "second", "double")
    first, *others = (ScriptedProvider(text="Hello", pace=0, name=name) for name in names)
    async with ASGIClient(demo.app(first, others=others)) as made:
        yield made


def error_of(response: ClientResponse) -> str:
    """Return the reason in a JSON error."""
    assert response.headers["content-type"] == "application/json"
    message: str = response.json()["error"]["message"]
    return message


async def test_form_that_the_stream_does_not_have_is_406(client: ASGIClient) -> None:
    response = await client.get("/api/v1/stream?query=hi", headers={"accept": "image/png"})
    assert response.status == 406
    assert "text/event-stream" in error_of(response)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/chat", "q must not be empty; ask as /chat?q=hello"),
        ("/chat?q=%20", "q must not be empty; ask as /chat?q=hello"),
        ("/api/v1/stream", "query must not be empty; ask as /api/v1/stream?query=hello"),
        ("/chat?q=hi&provider=none", "provider must be one of scripted, second, double, not 'none'"),
    ],
)
async def test_bad_question_is_400_with_the_reason(client: ASGIClient, path: str, reason: str) -> None:
    response = await client.get(path)
    assert (response.status, error_of(response)) == (400, reason)


@pytest.mark.parametrize("path", ["/chat", "/api/v1/stream"])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "body is not JSON"),
        (b'{"query":', "body is not JSON"),
        (b"\xff", "body is not JSON"),
        (b"[]", "body must be a JSON object"),
        (b"{}", "messages is missing"),
        (b'{"query":""}', "query must not be empty"),
        (b'{"query":1}', "query must be a string"),
        (b'{"query":"hi","provider":"none"}', "provider must be one of scripted, second, double, not 'none'"),
    ],
)
async def test_bad_body_is_400_with_the_reason(client: ASGIClient, path: str, body: bytes, reason: str) -> None:
    response = await client.post(path, content=body, headers={"content-type": "application/json"})
    assert response.status == 400
    assert reason in error_of(response)


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonl"])
async def test_body_of_another_media_type_is_415(client: ASGIClient, media_type: str | None) -> None:
    headers = {} if media_type is None else {"content-type": media_type}
    response = await client.post("/chat", content=b'{"query":"hi"}', headers=headers)
    assert response.status == 415
    assert error_of(response) == f"the body must be application/json; its content-type is {media_type or 'missing'}"


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
@pytest.mark.parametrize("path", ["/chat", "/api/v1/stream"])
async def test_body_over_one_mebibyte_is_413(client: ASGIClient, path: str, declared: bool) -> None:
    body = b'{"query":"' + b"x" * (1 << 20) + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    headers = {"content-type": "application/json"}
    response = await client.post(path, content=body if declared else pieces(), headers=headers)
    assert response.status == 413
    assert "1048576 bytes" in error_of(response)


@pytest.mark.parametrize("path", ["/nothing", "/api", "/api/v1/stream/more", "/page.html", "/../app.py"])
async def test_unknown_path_is_404(client: ASGIClient, path: str) -> None:
    response = await client.get(path)
    assert response.status == 404
    assert response.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/chat", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("DELETE", "/api/v1/stream", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("POST", "/", {"GET", "HEAD"}),
        ("PUT", "/api/info", {"GET", "HEAD"}),
    ],
)
async def test_wrong_method_is_405_with_the_right_ones(
    client: ASGIClient, method: str, path: str, allowed: set[str]
) -> None:
    response = await client.request(method, path)
    assert response.status == 405
    assert set(response.headers["allow"].split(", ")) == allowed
    assert error_of(response)
