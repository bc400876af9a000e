"""What each API's clients ask for: a model, messages, and a stream or not."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("query", "streams"), [("?stream=true", True), ("?stream=1", True), ("?stream=false", False)])
async def test_a_stream_may_be_asked_for_in_the_address(
    query: str, streams: bool, opened: Any, apis: Any, remembering: Any
) -> None:
    _, path, body = apis["openai"]
    response = await (await opened(remembering())).post(path + query, json=body)
    assert response.headers["content-type"].startswith("text/event-stream") == streams


async def test_the_body_says_more_than_the_address(opened: Any, apis: Any, remembering: Any) -> None:
    _, path, body = apis["anthropic"]
    response = await (await opened(remembering())).post(f"{path}?stream=true", json={**body, "stream": False})
    assert response.headers["content-type"] == "application/json"


async def test_ollama_streams_unless_told_otherwise(opened: Any, apis: Any, remembering: Any) -> None:
    _, path, body = apis["ollama"]
    response = await (await opened(remembering())).post(path, json=body)
    assert response.headers["content-type"] == "application/x-ndjson"


@pytest.mark.parametrize("asked", [True, False])
async def test_openais_usage_chunk_comes_where_it_is_asked_for(
    asked: bool, opened: Any, apis: Any, remembering: Any
) -> None:
    body = {"stream_options": {"include_usage": asked}}
    response = await apis["openai"].ask(await opened(remembering()), stream=True, body=body)
    assert ('"prompt_tokens":7' in response.text) == asked


async def test_a_model_is_required(api: Any, opened: Any, remembering: Any) -> None:
    if api.name == "gemini":
        # It is in the address.
        api = api._replace(path="/v1beta/models/:generateContent")
    _, path, body = api
    response = await (await opened(remembering())).post(path, json={**body, "model": None})
    assert response.status == 400
    assert "model is required" in api.error_in(response.json())


@pytest.mark.parametrize("wrong", [1, {"a": 1}, "x"])
async def test_wrong_messages_are_refused_by_name(api: Any, wrong: Any, opened: Any, remembering: Any) -> None:
    field = {"openai_responses": "input", "gemini": "contents", "ollama generate": "prompt"}.get(api.name, "messages")
    wrong = {"a": 1} if field in ("input", "prompt") else wrong
    response = await api.ask(await opened(remembering()), stream=True, body={field: wrong})
    assert response.status == 400
    assert field in api.error_in(response.json())


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/v1/chat/completions?stream=maybe", r"?stream must be true or false, not 'maybe'"),
        ("/v1beta/models/m:generateContent?alt=xml", "?alt must be sse or json, not 'xml'"),
    ],
)
async def test_a_strange_address_is_refused(path: str, reason: str, opened: Any, apis: Any, remembering: Any) -> None:
    body = apis["gemini" if "beta" in path else "openai"].body
    response = await (await opened(remembering())).post(path, json=body)
    assert (response.status, response.json()["error"]["message"]) == (400, reason)


async def test_a_method_that_gemini_does_not_have_here_is_not_found(opened: Any, apis: Any, remembering: Any) -> None:
    response = await (await opened(remembering())).post("/v1beta/models/m:countTokens", json={})
    assert response.status == 404
    assert "streamGenerateContent" in apis["gemini"].error_in(response.json())


async def test_a_stream_flag_of_another_type_is_refused(opened: Any, apis: Any, remembering: Any) -> None:
    response = await apis["openai"].ask(await opened(remembering()), stream=True, body={"stream": "yes"})
    assert response.status == 400
    assert "stream must be" in apis["openai"].error_in(response.json())
