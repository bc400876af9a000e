"""The gateway's addresses: every API's own words, for answers, refusals and errors alike."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from gai_stream.events import Done, Event, Failure, Finish, FinishStep, Start, TextDelta, Usage
from gai_stream.exceptions import ProviderError
from gai_stream.gateway import Limits, Outcome, Routes, gateway
from gai_stream.providers import ChatRequest, ScriptedProvider
from gai_stream.testing import ASGIClient, ClientResponse

pytestmark = pytest.mark.anyio

TEXT = "Grüße, 数到5: 一二三四五\u2028"
ANSWER: list[Event] = [
    Start("inner-1", "house", "x1"),
    TextDelta("Grüße, "),
    TextDelta("数到5: 一二三四五\u2028"),
    FinishStep(1),
    Finish("stop", Usage(7, 5, 12)),
    Done(),
]
QUESTION = [{"role": "user", "content": "hi"}]
# How each API is asked: its address, and a body without the stream flag.
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("/v1/chat/completions", {"model": "m", "messages": QUESTION}),
    "openai_responses": ("/v1/responses", {"model": "m", "input": "hi"}),
    "anthropic": ("/v1/messages", {"model": "m", "max_tokens": 9, "messages": QUESTION}),
    "gemini": ("/v1beta/models/m:{}", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
    "ollama": ("/api/chat", {"model": "m", "messages": QUESTION}),
    "ollama generate": ("/api/generate", {"model": "m", "prompt": "hi"}),
}
every_api = pytest.mark.parametrize("api", ASKED)


class House:
    """A provider of the house: it says `events`, and remembers what it was asked and how its streams ended."""

    name = "house"
    model = "inner-1"
    dialect = "gai"
    supports_streaming = True

    def __init__(self, events: list[Any] | None = None, *, ever: bool = False) -> None:
        self.events = ANSWER if events is None else events
        self.ever = ever
        self.asked: list[ChatRequest] = []
        self.open = 0
        self.closed = False

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        self.asked.append(request)
        self.open += 1
        try:
            for event in self.events:
                if isinstance(event, Exception):
                    raise event
                yield event
            if self.ever:
                await anyio.sleep_forever()
        finally:
            self.open -= 1

    async def aclose(self) -> None:
        self.closed = True


Opened = Callable[..., Awaitable[ASGIClient]]


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    """Open a client of a gateway with one provider, which answers for every name."""
    async with AsyncExitStack() as stack:

        async def open_(house: Any, **options: Any) -> ASGIClient:
            app = gateway(Routes({"house": house}, default="house"), **options)
            return await stack.enter_async_context(ASGIClient(app))

        yield open_


async def ask(client: ASGIClient, api: str, *, stream: bool, **more: Any) -> ClientResponse:
    """Ask in an API's own way."""
    path, body = ASKED[api]
    if api == "gemini":
        path = path.format("streamGenerateContent?alt=sse" if stream else "generateContent")
    else:
        body = {**body, "stream": stream}
    return await client.post(path, json={**body, **more.pop("body", {})}, **more)


def error_in(api: str, body: Any) -> str:
    """Return the text of an error body, which must have its API's shape."""
    error = body["error"]
    if api.startswith("ollama"):
        assert isinstance(error, str)
        return error
    if api == "anthropic":
        assert body["type"] == "error"
    elif api == "gemini":
        assert {"code", "message", "status"} <= error.keys()
    else:
        assert {"message", "type", "param", "code"} <= error.keys()
    return str(error["message"])


def said(api: str, body: Any) -> tuple[str, str]:
    """Return the text and the reason in a whole answer."""
    match api:
        case "openai":
            assert body["object"] == "chat.completion"
            return body["choices"][0]["message"]["content"], body["choices"][0]["finish_reason"]
        case "openai_responses":
            return body["output"][0]["content"][0]["text"], body["status"]
        case "anthropic":
            return body["content"][0]["text"], body["stop_reason"]
        case "gemini":
            return body["candidates"][0]["content"]["parts"][0]["text"], body["candidates"][0]["finishReason"]
        case "ollama":
            return body["message"]["content"], body["done_reason"]
        case _:
            return body["response"], body["done_reason"]


@every_api
async def test_a_stream_comes_in_its_clients_dialect(api: str, opened: Opened) -> None:
    house = House()
    response = await ask(await opened(house), api, stream=True)
    assert response.status == 200
    ndjson = api.startswith("ollama")
    kind = "application/x-ndjson" if ndjson else "text/event-stream; charset=utf-8"
    assert response.headers["content-type"] == kind
    text = response.text
    assert '"m"' in text
    assert "inner-1" not in text
    assert "一二三四五\\u2028" in text
    assert house.asked[0].query == "hi"
    assert house.open == 0


@every_api
async def test_an_answer_in_one_piece_is_json(api: str, opened: Opened) -> None:
    response = await ask(await opened(House()), api, stream=False)
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    text, reason = said(api, response.json())
    assert text == TEXT
    assert reason in ("stop", "completed", "end_turn", "STOP")


async def test_gemini_without_alt_gets_one_json_array(opened: Opened) -> None:
    path, body = ASKED["gemini"]
    response = await (await opened(House())).post(path.format("streamGenerateContent"), json=body)
    assert response.headers["content-type"] == "application/json"
    chunks = json.loads(response.text)
    parts = [part["text"] for chunk in chunks for part in chunk["candidates"][0]["content"].get("parts", [])]
    assert "".join(parts) == TEXT


@pytest.mark.parametrize(("query", "streams"), [("?stream=true", True), ("?stream=1", True), ("?stream=false", False)])
async def test_a_stream_may_be_asked_for_in_the_address(query: str, streams: bool, opened: Opened) -> None:
    path, body = ASKED["openai"]
    response = await (await opened(House())).post(path + query, json=body)
    assert response.headers["content-type"].startswith("text/event-stream") == streams


async def test_the_body_says_more_than_the_address(opened: Opened) -> None:
    path, body = ASKED["anthropic"]
    response = await (await opened(House())).post(f"{path}?stream=true", json={**body, "stream": False})
    assert response.headers["content-type"] == "application/json"


async def test_ollama_streams_unless_told_otherwise(opened: Opened) -> None:
    path, body = ASKED["ollama"]
    response = await (await opened(House())).post(path, json=body)
    assert response.headers["content-type"] == "application/x-ndjson"


@pytest.mark.parametrize("asked", [True, False])
async def test_openais_usage_chunk_comes_where_it_is_asked_for(asked: bool, opened: Opened) -> None:
    body = {"stream_options": {"include_usage": asked}}
    response = await ask(await opened(House()), "openai", stream=True, body=body)
    assert ('"prompt_tokens":7' in response.text) == asked


# Requests that get no answer


@every_api
@pytest.mark.parametrize("content", [b"{", b"[]", b"1", b"", b"\xff"], ids=["cut", "list", "number", "empty", "binary"])
async def test_a_body_that_is_no_object_is_refused_in_the_clients_words(
    api: str, content: bytes, opened: Opened
) -> None:
    client = await opened(House())
    response = await client.post(ASKED[api][0].format("generateContent"), content=content)
    assert response.status == 400
    assert "JSON" in error_in(api, response.json())


@pytest.mark.parametrize("api", [api for api in ASKED if api != "gemini"])
async def test_a_model_is_required(api: str, opened: Opened) -> None:
    path, body = ASKED[api]
    response = await (await opened(House())).post(path, json={**body, "model": None})
    assert response.status == 400
    assert "model is required" in error_in(api, response.json())


@every_api
@pytest.mark.parametrize("wrong", [1, {"a": 1}, "x"])
async def test_wrong_messages_are_refused_by_name(api: str, wrong: Any, opened: Opened) -> None:
    field = {"openai_responses": "input", "gemini": "contents", "ollama generate": "prompt"}.get(api, "messages")
    wrong = {"a": 1} if field in ("input", "prompt") else wrong
    response = await ask(await opened(House()), api, stream=True, body={field: wrong})
    assert response.status == 400
    assert field in error_in(api, response.json())


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/v1/chat/completions?stream=maybe", r"?stream must be true or false, not 'maybe'"),
        ("/v1beta/models/m:generateContent?alt=xml", "?alt must be sse or json, not 'xml'"),
    ],
)
async def test_a_strange_address_is_refused(path: str, reason: str, opened: Opened) -> None:
    body = ASKED["gemini" if "beta" in path else "openai"][1]
    response = await (await opened(House())).post(path, json=body)
    assert (response.status, response.json()["error"]["message"]) == (400, reason)


async def test_a_method_that_gemini_does_not_have_here_is_not_found(opened: Opened) -> None:
    response = await (await opened(House())).post("/v1beta/models/m:countTokens", json={})
    assert response.status == 404
    assert "streamGenerateContent" in error_in("gemini", response.json())


async def test_a_stream_flag_of_another_type_is_refused(opened: Opened) -> None:
    response = await ask(await opened(House()), "openai", stream=True, body={"stream": "yes"})
    assert response.status == 400
    assert "stream must be" in error_in("openai", response.json())


@every_api
async def test_a_model_that_nobody_has_is_not_found(api: str) -> None:
    async with ASGIClient(gateway(Routes({"house": House()}))) as client:
        response = await ask(client, api, stream=True)
    assert response.status == 404
    assert "'m' is not served here" in error_in(api, response.json())


@every_api
async def test_other_methods_and_large_bodies_are_refused(api: str, opened: Opened) -> None:
    client = await opened(House(), max_body_size=1000)
    path, body = ASKED[api]
    path = path.format("generateContent")
    refused = await client.request("PUT", path)
    assert (refused.status, refused.headers["allow"]) == (405, "POST, OPTIONS")
    assert "use POST" in error_in(api, refused.json())
    large = await client.post(path, json={**body, "padding": "x" * 2000})
    assert large.status == 413
    assert "larger than 1000 bytes" in error_in(api, large.json())


async def test_an_address_that_is_not_here_is_not_found(opened: Opened) -> None:
    response = await (await opened(House())).post("/v1/embeddings", json={})
    assert response.status == 404
    assert error_in("openai", response.json()) == "Not Found"


async def test_pages_of_other_sites_may_not_ask_unless_they_are_told(opened: Opened) -> None:
    path, body = ASKED["openai"]
    headers = {"sec-fetch-site": "cross-site", "origin": "https://a.example"}
    response = await (await opened(House())).post(path, json=body, headers=headers)
    assert response.status == 403
    assert "access-control-allow-origin" not in response.headers
    friends = await opened(House(), cors="https://a.example")
    response = await friends.post(path, json=body, headers=headers)
    assert response.status == 200
    assert response.headers["access-control-allow-origin"] == "https://a.example"
    preflight = await friends.request("OPTIONS", path, headers={**headers, "access-control-request-method": "POST"})
    assert preflight.status == 204


# Tokens


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer s3cret"},
        {"authorization": "bearer  s3cret"},
        {"x-api-key": "s3cret"},
        {"x-goog-api-key": "s3cret"},
    ],
)
async def test_the_token_may_be_shown_in_any_clients_way(headers: dict[str, str], opened: Opened) -> None:
    client = await opened(House(), token="s3cret")
    assert (await ask(client, "openai", stream=False, headers=headers)).status == 200
    assert (await client.get("/v1/models", headers=headers)).status == 200


async def test_the_token_may_be_shown_in_the_address(opened: Opened) -> None:
    path, body = ASKED["gemini"]
    client = await opened(House(), token="s3cret")
    assert (await client.post(f"{path.format('generateContent')}?key=s3cret", json=body)).status == 200


@every_api
@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer wrong"}, {"x-api-key": "s3cre"}, {"authorization": "Basic s3cret"}]
)
async def test_nobody_is_let_in_without_the_token(api: str, headers: dict[str, str], opened: Opened) -> None:
    house = House()
    response = await ask(await opened(house, token="s3cret"), api, stream=True, headers=headers)
    assert (response.status, response.headers["www-authenticate"]) == (401, "Bearer")
    assert "token is missing or wrong" in error_in(api, response.json())
    assert "s3cret" not in response.text
    assert house.asked == []


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/x", "/v1beta/models", "/v1beta/models/x", "/api/tags", "/api/version"]
)
async def test_lists_are_only_for_those_with_the_token(path: str, opened: Opened) -> None:
    assert (await (await opened(House(), token="s3cret")).get(path)).status == 401


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        ({"token": " "}, ValueError, "token must be a text that is not blank, or None"),
        ({"on_outcome": 1}, TypeError, "on_outcome must be callable, not int"),
        ({"on_end": print}, ValueError, "on_end is not for a gateway's caller to set"),
        ({"status": 201}, ValueError, "status is not for a gateway's caller to set"),
        ({"heartbeat": 0}, ValueError, "heartbeat must be"),
        ({"max_body_size": 0}, ValueError, "max_body_size must be"),
    ],
)
def test_meaningless_options_are_refused(options: dict[str, Any], error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        gateway(Routes({"house": ScriptedProvider()}), **options)


# What goes wrong behind the gateway


@every_api
@pytest.mark.parametrize("stream", [True, False])
async def test_a_refusal_keeps_its_status_and_wait(api: str, stream: bool, opened: Opened) -> None:
    error = ProviderError("rate_limited", "slow down", retry_after=7)
    response = await ask(await opened(House([error])), api, stream=stream)
    assert (response.status, response.headers["retry-after"]) == (429, "7")
    assert error_in(api, response.json()) == "slow down"


@every_api
async def test_an_error_behind_the_first_byte_is_told_in_the_dialect(api: str, opened: Opened) -> None:
    events = [*ANSWER[:2], Failure("overloaded", "too busy")]
    response = await ask(await opened(House(events)), api, stream=True)
    assert response.status == 200
    assert "too busy" in response.text
    assert "Grüße" in response.text


@every_api
@pytest.mark.parametrize(
    ("events", "status", "words"),
    [
        ([*ANSWER[:2], Failure("overloaded", "too busy")], 503, "too busy"),
        ([*ANSWER[:2], RuntimeError("secret")], 500, "internal error"),
        (ANSWER[:2], 502, "cut off"),
    ],
    ids=["failure", "exception", "truncated"],
)
async def test_an_answer_in_one_piece_fails_with_a_status(
    api: str, events: list[Any], status: int, words: str, opened: Opened
) -> None:
    response = await ask(await opened(House(events)), api, stream=False)
    assert response.status == status
    assert words in error_in(api, response.json())
    assert "secret" not in response.text


# Limits, ids, and the hook


async def test_a_client_over_its_limit_is_told_to_wait(opened: Opened) -> None:
    outcomes: list[Outcome] = []
    house = House(ANSWER[:2], ever=True)
    client = await opened(house, limits=Limits(per_key=1, per_process=2, retry_after=4), on_outcome=outcomes.append)
    path, body = ASKED["openai"]
    asked = {"json": {**body, "stream": True}}
    first, second, third = ({"x-api-key": name} for name in "abc")
    async with client.stream("POST", path, headers=first, **asked) as one:
        await one.disconnect_after(1)
    assert house.open == 0
    async with (
        client.stream("POST", path, headers=first, **asked) as one,
        client.stream("POST", path, headers=second, **asked) as two,
    ):
        await anext(one.chunks())
        await anext(two.chunks())
        again = await client.post(path, headers=first, **asked)
        assert (again.status, again.headers["retry-after"]) == (429, "4")
        full = await client.post(path, headers=third, **asked)
        assert (full.status, full.headers["retry-after"]) == (503, "4")
    assert [outcome.summary.reason for outcome in outcomes] == ["disconnect"] * 3


async def test_the_hook_is_told_who_used_what(opened: Opened) -> None:
    outcomes: list[Outcome] = []

    async def remember(outcome: Outcome) -> None:
        await anyio.lowlevel.checkpoint()
        outcomes.append(outcome)

    house = House()
    client = await opened(house, on_outcome=remember)
    headers = {"x-api-key": "sk-client", "x-trace-id": "t-1", "x-idempotency-key": "i-1", "idempotency-key": "i-2"}
    response = await ask(client, "anthropic", stream=True, headers=headers)
    await ask(client, "ollama", stream=False)
    told, other = outcomes
    assert (told.path, told.dialect, told.model) == ("/v1/messages", "anthropic", "m")
    assert (told.provider, told.provider_model, told.streamed) == ("house", "m", True)
    assert (told.trace_id, told.idempotency_key) == ("t-1", "i-1")
    assert (house.asked[0].trace_id, house.asked[0].idempotency_key) == ("t-1", "i-1")
    assert response.headers["x-trace-id"] == "t-1"
    assert response.headers["x-request-id"] == told.request_id
    assert told.summary.usage == Usage(7, 5, 12)
    assert told.summary.text == TEXT
    assert told.summary.reason == "complete"
    assert told.key.startswith("key:")
    assert "sk-client" not in repr(told)
    assert (other.streamed, other.trace_id, other.idempotency_key) == (False, None, None)
    assert other.key.startswith("address:")
    assert other.summary.text == TEXT


async def test_a_trace_id_that_could_break_a_header_is_not_passed_on(opened: Opened) -> None:
    house = House()
    response = await ask(await opened(house), "openai", stream=True, headers={"x-trace-id": "x" * 300})
    assert "x-trace-id" not in response.headers
    assert house.asked[0].trace_id is None


async def test_without_a_hook_a_line_is_logged(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "gai_stream.gateway")
    await ask(await opened(House()), "openai", stream=True)
    assert "/v1/chat/completions m by house: complete" in caplog.text


async def test_what_only_its_own_api_knows_stays_behind(opened: Opened) -> None:
    house = House()
    await ask(await opened(house), "openai", stream=True, body={"logit_bias": {"1": 2}, "temperature": 0.5})
    assert (house.asked[0].extra, house.asked[0].temperature) == ({}, 0.5)
    house = House()
    house.dialect = "openai"
    await ask(await opened(house), "openai", stream=True, body={"logit_bias": {"1": 2}})
    assert house.asked[0].extra["logit_bias"] == {"1": 2}


async def test_a_client_that_leaves_before_its_answer_in_one_piece_stops_the_provider(opened: Opened) -> None:
    house = House(ANSWER[:2], ever=True)
    client = await opened(house)
    path, body = ASKED["openai"]
    with anyio.move_on_after(0.1):
        await client.post(path, json=body)
    await anyio.wait_all_tasks_blocked()
    assert house.open == 0


async def test_providers_are_closed_with_the_application() -> None:
    house = House()
    async with ASGIClient(gateway(Routes({"house": house}))):
        assert not house.closed
    assert house.closed


# Lists


async def test_models_are_listed_in_every_apis_words(opened: Opened) -> None:
    client = await opened(House())
    openai = (await client.get("/v1/models")).json()
    assert openai["data"] == [{"id": "house/inner-1", "object": "model", "created": 0, "owned_by": "house"}]
    claude = (await client.get("/v1/models", headers={"anthropic-version": "2023-06-01"})).json()
    assert [model["id"] for model in claude["data"]] == [claude["first_id"]] == ["house/inner-1"]
    gemini = (await client.get("/v1beta/models")).json()
    assert gemini["models"][0]["name"] == "models/house/inner-1"
    assert (await client.get("/api/tags")).json()["models"][0]["model"] == "house/inner-1"
    assert (await client.get("/api/version")).json()["version"]
    one = await client.get("/v1/models/house/inner-1")
    assert one.json()["owned_by"] == "house"
    google = {"x-goog-api-key": "x"}
    assert (await client.get("/v1/models", headers=google)).json() == gemini
    for path, headers in (("/v1/models/house/inner-1", google), ("/v1beta/models/house/inner-1", {})):
        assert (await client.get(path, headers=headers)).json() == gemini["models"][0]
    missing = await client.get("/v1/models/nobody")
    assert missing.status == 404
    assert "'nobody' is not listed" in error_in("openai", missing.json())
