"""sse_handler and ndjson_handler: whole endpoints, and what bad requests get."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route

from gai_stream.asgi import ndjson_handler, sse_handler, stream_handler
from gai_stream.exceptions import DecodeError, ProviderError

pytestmark = pytest.mark.anyio

Handler = Callable[..., Any]
both = pytest.mark.parametrize("handler", [sse_handler, ndjson_handler])


class Echo:
    """A provider that answers with what it was asked."""

    def __init__(self, error: Exception | None = None, *, when: str = "stream") -> None:
        self.error = error
        self.when = when
        self.asked: list[Any] = []

    def stream(self, request: Any) -> AsyncIterator[str]:
        self.asked.append(request)
        if self.error is not None and self.when == "call":
            raise self.error
        return self._stream(request)

    async def _stream(self, request: Any) -> AsyncIterator[str]:
        if self.error is not None:
            raise self.error
        yield str(request)


async def query(request: Request) -> str:
    return request.query_params["q"]


async def body(request: Request) -> Any:
    return await request.json()


@both
async def test_a_request_becomes_a_stream(serve: Any, handler: Handler) -> None:
    response = await serve(handler(Echo(), query), path="/?q=hello")
    assert response.status == 200
    assert '"hello"' in response.text
    assert "finished" in response.text
    response = await serve(handler(Echo(), body), "POST", json={"a": 1})
    assert "{'a': 1}" in response.text


async def test_prepare_may_be_a_plain_function_and_the_handler_a_route(serve: Any) -> None:
    app = Starlette(routes=[Route("/chat", sse_handler(Echo(), lambda request: request.url.path))])
    assert '"/chat"' in (await serve(app, path="/chat")).text
    assert '"/chat"' in (await serve(app, "POST", path="/chat")).text


@both
@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (ValueError("query must not be empty"), 400, "query must not be empty"),
        (DecodeError("messages: missing"), 400, "messages: missing"),
        (KeyError("q"), 400, "q is missing"),
        (TypeError("x must be str"), 400, "x must be str"),
        (HTTPException(415, "send JSON"), 415, "send JSON"),
        (ProviderError("forbidden", "not you"), 403, "not you"),
        (RuntimeError("secret"), 500, "internal error (reference"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_what_prepare_raises_is_answered_before_the_provider_is_asked(
    serve: Any, handler: Handler, error: Exception, status: int, words: str
) -> None:
    async def prepare(request: Request) -> Any:
        raise error

    provider = Echo()
    response = await serve(handler(provider, prepare))
    assert response.status == status
    assert words in response.json()["error"]["message"]
    assert "secret" not in response.text
    assert response.headers["access-control-allow-origin"] == "*"
    assert provider.asked == []


@both
@pytest.mark.parametrize("when", ["call", "stream"])
async def test_the_providers_own_failure_keeps_its_status_and_retry_after(
    serve: Any, handler: Handler, when: str
) -> None:
    error = ProviderError("rate_limited", "slow down", retry_after=21)
    response = await serve(handler(Echo(error, when=when), query), path="/?q=x")
    assert (response.status, response.headers["retry-after"]) == (429, "21")
    assert response.json()["error"] == {
        "code": "rate_limited",
        "message": "slow down",
        "temporary": True,
        "retry_after": 21,
    }


@both
async def test_malformed_json_is_400_with_the_reason(serve: Any, handler: Handler) -> None:
    response = await serve(handler(Echo(), body), "POST", content=b'{"q": ')
    assert response.status == 400
    assert "Expecting value" in response.json()["error"]["message"]


@both
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_413(serve: Any, handler: Handler, declared: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    content: Any = b"x" * 2000 if declared else pieces()
    provider = Echo()
    response = await serve(handler(provider, body, max_body_size=1000), "POST", content=content)
    assert response.status == 413
    assert "larger than 1000 bytes" in response.json()["error"]["message"]
    assert provider.asked == []
    response = await serve(handler(provider, body, max_body_size=2000), "POST", content=b'"' + b"x" * 1998 + b'"')
    assert response.status == 200


@both
async def test_other_methods_are_405_and_name_the_allowed_ones(serve: Any, handler: Handler) -> None:
    provider = Echo()
    response = await serve(handler(provider, query), "DELETE")
    assert (response.status, response.headers["allow"]) == (405, "GET, POST, HEAD, OPTIONS")
    assert response.json()["error"]["message"] == "use GET or POST here"
    response = await serve(handler(provider, query, methods=["post"]), "GET")
    assert (response.status, response.headers["allow"]) == (405, "POST, OPTIONS")
    response = await serve(handler(provider, query, methods=["post"]), "HEAD")
    assert response.status == 405
    assert provider.asked == []


@both
async def test_head_and_preflight_do_not_reach_the_provider(serve: Any, handler: Handler) -> None:
    provider = Echo()
    response = await serve(handler(provider, query), "HEAD")
    assert response.status == 200
    assert response.headers["content-type"].startswith(("text/event-stream", "application/x-ndjson"))
    response = await serve(handler(provider, query), "OPTIONS")
    assert (response.status, response.headers["access-control-allow-origin"]) == (204, "*")
    assert provider.asked == []


async def test_stream_handler_answers_as_the_client_asks(serve: Any) -> None:
    handler = stream_handler(Echo(), query, ids=True, compact=False)
    sse = await serve(handler, path="/?q=x", headers={"Accept": "text/event-stream"})
    assert sse.text.startswith("id: 1\nevent: text_delta\n")
    ndjson = await serve(handler, path="/?q=x", headers={"Accept": "application/jsonl"})
    assert ndjson.headers["content-type"] == "application/jsonl"
    assert ndjson.text.startswith('{"text": "x", ')
    assert sse.headers["vary"] == ndjson.headers["vary"] == "Accept"
    refused = await serve(handler, path="/?q=x", headers={"Accept": "image/png"})
    assert refused.status == 406


async def test_options_reach_the_response_and_wrong_ones_are_found_at_once(serve: Any) -> None:
    response = await serve(sse_handler(Echo(), query, ids=True, cors=None, encoder="openai"), path="/?q=x")
    assert "chat.completion.chunk" in response.text
    assert response.text.startswith("id: 1\n")
    assert "access-control-allow-origin" not in response.headers
    with pytest.raises(ValueError, match="heartbeat must be"):
        sse_handler(Echo(), query, heartbeat=-1)
    with pytest.raises(ValueError, match="max_body_size must be"):
        sse_handler(Echo(), query, max_body_size=0)
    with pytest.raises(TypeError, match=r"provider must have a method `stream\(request\)`, which int lacks"):
        sse_handler(7, query)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="prepare must be callable"):
        ndjson_handler(Echo(), 7)  # type: ignore[arg-type]


@both
@pytest.mark.parametrize("content", [b"[]", b"[" * 100_000], ids=["list", "depth-bomb"])
async def test_json_of_another_shape_is_400(serve: Any, handler: Handler, content: bytes) -> None:
    async def prepare(request: Request) -> Any:
        return (await request.json()).get("q")

    provider = Echo()
    assert (await serve(handler(provider, prepare), "POST", content=content)).status == 400
    assert provider.asked == []


async def test_a_preflight_allows_the_methods_of_the_handler(serve: Any) -> None:
    response = await serve(sse_handler(Echo(), query, methods=("PUT",)), "OPTIONS")
    assert response.status == 204
    assert response.headers["allow"] == response.headers["access-control-allow-methods"] == "PUT, OPTIONS"
    response = await serve(sse_handler(Echo(), query), "OPTIONS")
    assert response.headers["allow"] == "GET, POST, HEAD, OPTIONS"


@both
async def test_a_provider_whose_stream_is_no_stream_is_500_and_masked(serve: Any, handler: Handler) -> None:
    class Odd:
        def stream(self, request: Any) -> Any:
            return 7

    response = await serve(handler(Odd(), query), path="/?q=x")
    assert response.status == 500
    assert "internal error (reference" in response.json()["error"]["message"]


@both
@pytest.mark.parametrize("methods", ["POST", []])
def test_methods_that_mean_none_are_refused(handler: Handler, methods: Any) -> None:
    with pytest.raises(ValueError, match="methods must be one or more"):
        handler(Echo(), query, methods=methods)


@both
def test_an_encoder_that_serves_one_stream_is_refused(handler: Handler) -> None:
    from gai_stream.dialects.openai import OpenAIEncoder

    handler(Echo(), query, encoder=OpenAIEncoder)
    with pytest.raises(TypeError, match="encoder: one object serves one stream"):
        handler(Echo(), query, encoder=OpenAIEncoder(model="m"))


@both
def test_a_provider_that_cannot_stream_is_refused_when_built(handler: Handler) -> None:
    provider: Any = Echo()
    provider.supports_streaming = False
    provider.name = "house"
    with pytest.raises(ValueError, match="provider 'house' does not support streaming"):
        handler(provider, query)
