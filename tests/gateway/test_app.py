"""The gateway's addresses: every API's own words, for answers, refusals and errors alike."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from gai_stream.events import Usage
from gai_stream.exceptions import ProviderError
from gai_stream.gateway import Limits, Outcome, Routes, gateway
from gai_stream.providers import ScriptedProvider
from gai_stream.testing import ASGIClient

pytestmark = pytest.mark.anyio


# Requests that get no answer


@pytest.mark.parametrize("content", [b"{", b"[]", b"1", b"", b"\xff"], ids=["cut", "list", "number", "empty", "binary"])
async def test_a_body_that_is_no_object_is_refused_in_the_clients_words(
    api: Any, content: bytes, opened: Any, remembering: Any
) -> None:
    client = await opened(remembering())
    response = await client.post(api.path.format("generateContent"), content=content)
    assert response.status == 400
    assert "JSON" in api.error_in(response.json())


async def test_a_model_that_nobody_has_is_not_found(api: Any, remembering: Any) -> None:
    async with ASGIClient(gateway(Routes({"house": remembering()}))) as client:
        response = await api.ask(client, stream=True)
    assert response.status == 404
    assert "'m' is not served here" in api.error_in(response.json())


async def test_other_methods_and_large_bodies_are_refused(api: Any, opened: Any, remembering: Any) -> None:
    client = await opened(remembering(), max_body_size=1000)
    _, path, body = api
    path = path.format("generateContent")
    refused = await client.request("PUT", path)
    assert (refused.status, refused.headers["allow"]) == (405, "POST, OPTIONS")
    assert "use POST" in api.error_in(refused.json())
    large = await client.post(path, json={**body, "padding": "x" * 2000})
    assert large.status == 413
    assert "larger than 1000 bytes" in api.error_in(large.json())


async def test_an_address_that_is_not_here_is_not_found(opened: Any, apis: Any, remembering: Any) -> None:
    response = await (await opened(remembering())).post("/v1/embeddings", json={})
    assert response.status == 404
    assert apis["openai"].error_in(response.json()) == "Not Found"


async def test_pages_of_other_sites_may_not_ask_unless_they_are_told(opened: Any, apis: Any, remembering: Any) -> None:
    _, path, body = apis["openai"]
    headers = {"sec-fetch-site": "cross-site", "origin": "https://a.example"}
    response = await (await opened(remembering())).post(path, json=body, headers=headers)
    assert response.status == 403
    assert "access-control-allow-origin" not in response.headers
    friends = await opened(remembering(), cors="https://a.example")
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
async def test_the_token_may_be_shown_in_any_clients_way(
    headers: dict[str, str], opened: Any, apis: Any, remembering: Any
) -> None:
    client = await opened(remembering(), token="s3cret")
    assert (await apis["openai"].ask(client, stream=False, headers=headers)).status == 200
    assert (await client.get("/v1/models", headers=headers)).status == 200


async def test_the_token_may_be_shown_in_the_address(opened: Any, apis: Any, remembering: Any) -> None:
    _, path, body = apis["gemini"]
    client = await opened(remembering(), token="s3cret")
    assert (await client.post(f"{path.format('generateContent')}?key=s3cret", json=body)).status == 200


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer wrong"}, {"x-api-key": "s3cre"}, {"authorization": "Basic s3cret"}]
)
async def test_nobody_is_let_in_without_the_token(
    api: Any, headers: dict[str, str], opened: Any, remembering: Any
) -> None:
    house = remembering()
    response = await api.ask(await opened(house, token="s3cret"), stream=True, headers=headers)
    assert (response.status, response.headers["www-authenticate"]) == (401, "Bearer")
    assert "token is missing or wrong" in api.error_in(response.json())
    assert "s3cret" not in response.text
    assert house.asked == []


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/x", "/v1beta/models", "/v1beta/models/x", "/api/tags", "/api/version"]
)
async def test_lists_are_only_for_those_with_the_token(path: str, opened: Any, remembering: Any) -> None:
    assert (await (await opened(remembering(), token="s3cret")).get(path)).status == 401


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


@pytest.mark.parametrize("stream", [True, False])
async def test_a_refusal_keeps_its_status_and_wait(api: Any, stream: bool, opened: Any, remembering: Any) -> None:
    error = ProviderError("rate_limited", "slow down", retry_after=7)
    response = await api.ask(await opened(remembering(error)), stream=stream)
    assert (response.status, response.headers["retry-after"]) == (429, "7")
    assert api.error_in(response.json()) == "slow down"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_provider_that_cannot_stream_is_not_asked_to(
    api: Any, stream: bool, opened: Any, remembering: Any
) -> None:
    house = remembering()
    house.supports_streaming = False
    response = await api.ask(await opened(house), stream=stream)
    assert response.status == (400 if stream else 200)
    if stream:
        assert api.error_in(response.json()) == "provider house does not support streaming"


# Limits, ids, and the hook


async def test_a_client_over_its_limit_is_told_to_wait(opened: Any, apis: Any, remembering: Any, answer: Any) -> None:
    outcomes: list[Outcome] = []
    house = remembering(*answer[:2], ever=True)
    client = await opened(house, limits=Limits(per_key=1, per_process=2, retry_after=4), on_outcome=outcomes.append)
    _, path, body = apis["openai"]
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


async def test_the_hook_is_told_who_used_what(opened: Any, apis: Any, remembering: Any) -> None:
    outcomes: list[Outcome] = []

    async def remember(outcome: Outcome) -> None:
        await anyio.lowlevel.checkpoint()
        outcomes.append(outcome)

    house = remembering()
    client = await opened(house, on_outcome=remember)
    headers = {"x-api-key": "sk-client", "x-trace-id": "t-1", "x-idempotency-key": "i-1", "idempotency-key": "i-2"}
    response = await apis["anthropic"].ask(client, stream=True, headers=headers)
    await apis["ollama"].ask(client, stream=False)
    told, other = outcomes
    assert (told.path, told.dialect, told.model) == ("/v1/messages", "anthropic", "m")
    assert (told.provider, told.provider_model, told.streamed) == ("house", "m", True)
    assert (told.trace_id, told.idempotency_key) == ("t-1", "i-1")
    assert (house.asked[0].trace_id, house.asked[0].idempotency_key) == ("t-1", "i-1")
    assert response.headers["x-trace-id"] == "t-1"
    assert response.headers["x-request-id"] == told.request_id
    assert told.summary.usage == Usage(7, 5, 12)
    assert told.summary.text == "Grüße, 数到5: 一二三四五\u2028"
    assert told.summary.reason == "complete"
    assert told.key.startswith("key:")
    assert "sk-client" not in repr(told)
    assert (other.streamed, other.trace_id, other.idempotency_key) == (False, None, None)
    assert other.key.startswith("address:")
    assert other.summary.text == told.summary.text


async def test_a_trace_id_that_could_break_a_header_is_not_passed_on(opened: Any, apis: Any, remembering: Any) -> None:
    house = remembering()
    response = await apis["openai"].ask(await opened(house), stream=True, headers={"x-trace-id": "x" * 300})
    assert "x-trace-id" not in response.headers
    assert house.asked[0].trace_id is None


async def test_without_a_hook_a_line_is_logged(
    opened: Any, caplog: pytest.LogCaptureFixture, apis: Any, remembering: Any
) -> None:
    caplog.set_level("INFO", "gai_stream.gateway")
    await apis["openai"].ask(await opened(remembering()), stream=True)
    assert "/v1/chat/completions m by house: complete" in caplog.text


async def test_what_only_its_own_api_knows_stays_behind(opened: Any, apis: Any, remembering: Any) -> None:
    house = remembering()
    await apis["openai"].ask(await opened(house), stream=True, body={"logit_bias": {"1": 2}, "temperature": 0.5})
    assert (house.asked[0].extra, house.asked[0].temperature) == ({}, 0.5)
    house = remembering()
    house.dialect = "openai"
    await apis["openai"].ask(await opened(house), stream=True, body={"logit_bias": {"1": 2}})
    assert house.asked[0].extra["logit_bias"] == {"1": 2}


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("openai_responses", {"previous_response_id": "resp_1"}, "previous_response_id cannot be followed here; send"),
        ("openai_responses", {"conversation": "conv_1"}, "conversation cannot be followed here; send"),
        ("openai", {"n": 2}, "n must be 1: the provider behind this model gives one answer"),
    ],
)
async def test_what_no_other_provider_can_do_is_refused_rather_than_forgotten(
    name: str, body: dict[str, Any], reason: str, opened: Any, apis: Any, remembering: Any
) -> None:
    response = await apis[name].ask(await opened(remembering()), stream=True, body=body)
    assert response.status == 400
    assert apis[name].error_in(response.json()).startswith(reason)
    assert (await apis["openai"].ask(await opened(remembering()), stream=True, body={"n": 1})).status == 200


async def test_a_client_that_leaves_before_its_answer_in_one_piece_stops_the_provider(
    opened: Any, apis: Any, remembering: Any, answer: Any
) -> None:
    house = remembering(*answer[:2], ever=True)
    client = await opened(house)
    _, path, body = apis["openai"]
    with anyio.move_on_after(0.1):
        await client.post(path, json=body)
    await anyio.wait_all_tasks_blocked()
    assert house.open == 0


async def test_providers_are_closed_with_the_application(remembering: Any) -> None:
    house = remembering()
    async with ASGIClient(gateway(Routes({"house": house}))):
        assert not house.let_go
    assert house.let_go


# Lists


async def test_models_are_listed_in_every_apis_words(opened: Any, apis: Any, remembering: Any) -> None:
    client = await opened(remembering())
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
    assert "'nobody' is not listed" in apis["openai"].error_in(missing.json())
