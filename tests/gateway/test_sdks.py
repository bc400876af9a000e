"""The real SDKs with the gateway as their base URL: text, tools, images in, errors, and leaving early."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import ollama
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

from gai_stream.events import (
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from gai_stream.exceptions import ProviderError
from gai_stream.gateway import Routes, gateway
from gai_stream.providers import ImagePart, TextPart

Serve = Callable[[Any], str]
TOKEN = "s3cret"
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
SAID = "数到5: 一二三四五"
TEXT: list[Event] = [
    Start("inner-1"),
    ReasoningDelta("hm"),
    TextDelta("数到5: "),
    TextDelta("一二三四五"),
    FinishStep(1),
    Finish("stop", Usage(9, 4, 13)),
    Done(),
]
TOOLS: list[Event] = [
    Start("inner-1"),
    TextDelta("Let me see."),
    ToolCallDelta(0, "call_1", "weather", '{"city":'),
    ToolCallDelta(0, arguments='"Köln"}'),
    ToolCallDelta(1, "call_2", "time", "{}"),
    ToolCall("call_1", "weather", {"city": "Köln"}, '{"city":"Köln"}'),
    ToolCall("call_2", "time", {}, "{}"),
    FinishStep(1),
    Finish("tool_calls", Usage(9, 4, 13)),
    Done(),
]
CALLS = [("weather", {"city": "Köln"}), ("time", {})]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


@pytest.fixture
def house(serve: Serve, remembering: Any, request: pytest.FixtureRequest) -> tuple[Any, str]:
    """A provider, and the address of a gateway in front of it that asks for a token."""
    provider = remembering(*getattr(request, "param", TEXT))
    return provider, serve(gateway(Routes({"house": provider}, default="house"), token=TOKEN))


House = tuple[Any, str]
with_tools = pytest.mark.parametrize("house", [TOOLS], indirect=True)
refusing = pytest.mark.parametrize(
    "house", [[ProviderError("rate_limited", "slow down", retry_after=1)]], indirect=True
)
failing = pytest.mark.parametrize("house", [[*TEXT[:4], Failure("overloaded", "too busy")]], indirect=True)


def openai_client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0)


def claude(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key=TOKEN, max_retries=0)


def gemini(url: str) -> genai.Client:
    return genai.Client(api_key=TOKEN, http_options=genai_types.HttpOptions(base_url=url))


@contextmanager
def ollama_client(url: str, key: str = TOKEN) -> Iterator[ollama.Client]:
    client = ollama.Client(host=url, headers={"authorization": f"Bearer {key}"})
    yield client
    # It has no way to close it of its own.
    client._client.close()


# OpenAI, Chat Completions

QUESTION: Any = [{"role": "user", "content": "hi"}]
TOOL: Any = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": SCHEMA}}


def test_openai_reads_text(house: House) -> None:
    with openai_client(house[1]) as client:
        with client.chat.completions.stream(model="gpt-4", messages=QUESTION) as stream:
            final = stream.get_final_completion()
        whole = client.chat.completions.create(model="gpt-4", messages=QUESTION)
    for answer in (final, whole):
        assert answer.choices[0].message.content == SAID
        assert (answer.choices[0].finish_reason, answer.model) == ("stop", "gpt-4")
    assert whole.usage is not None
    assert whole.usage.total_tokens == 13


@with_tools
def test_openai_reads_parallel_tools_and_asks_with_images_and_results(house: House) -> None:
    provider, url = house
    messages: Any = [
        {"role": "system", "content": "be brief"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
            ],
        },
        {
            "role": "assistant",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    with openai_client(url) as client:
        with client.chat.completions.stream(model="m", messages=messages, tools=[TOOL]) as stream:
            final = stream.get_final_completion()
        whole = client.chat.completions.create(model="m", messages=messages, tools=[TOOL])
    for answer in (final, whole):
        calls: Any = answer.choices[0].message.tool_calls
        assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == CALLS
        assert answer.choices[0].finish_reason == "tool_calls"
    asked = provider.asked[0]
    assert asked.tools == [TOOL]
    image = next(part for message in asked.messages for part in message.content if isinstance(part, ImagePart))
    assert image.url == f"data:image/png;base64,{PIXEL}"
    assert asked.messages[-1].tool_call_id == "c1"


@refusing
def test_openai_raises_a_refusal(house: House) -> None:
    with openai_client(house[1]) as client, pytest.raises(openai.RateLimitError, match="slow down") as raised:
        client.chat.completions.create(model="m", messages=QUESTION, stream=True)
    assert raised.value.response.headers["retry-after"] == "1"


@failing
def test_openai_raises_an_error_behind_the_text(house: House) -> None:
    text = ""
    with openai_client(house[1]) as client, pytest.raises(openai.APIError, match="too busy"):
        for chunk in client.chat.completions.create(model="m", messages=QUESTION, stream=True):
            text += chunk.choices[0].delta.content or ""
    assert text == SAID


# OpenAI, Responses


def test_responses_reads_text(house: House) -> None:
    with openai_client(house[1]) as client:
        with client.responses.stream(model="gpt-5", input="hi", instructions="be brief") as stream:
            final = stream.get_final_response()
        whole = client.responses.create(model="gpt-5", input="hi", instructions="be brief")
    for answer in (final, whole):
        assert (answer.output_text, answer.status, answer.model) == (SAID, "completed", "gpt-5")
        assert answer.usage is not None
        assert answer.usage.total_tokens == 13


@with_tools
def test_responses_reads_parallel_tools_and_asks_with_images(house: House) -> None:
    provider, url = house
    parts: Any = [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"},
    ]
    tool: Any = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}
    asked: Any = {"model": "m", "input": [{"role": "user", "content": parts}], "tools": [tool]}
    with openai_client(url) as client, client.responses.stream(**asked) as stream:
        final = stream.get_final_response()
    calls: Any = [item for item in final.output if item.type == "function_call"]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == CALLS
    assert [call.call_id for call in calls] == ["call_1", "call_2"]
    assert any(isinstance(part, ImagePart) for part in provider.asked[0].messages[-1].content)


@failing
def test_responses_raises_an_error_behind_the_text(house: House) -> None:
    with openai_client(house[1]) as client, pytest.raises(openai.APIError, match="too busy"):
        for _ in client.responses.create(model="m", input="hi", stream=True):
            pass


# Claude


def test_claude_reads_text_and_thinking(house: House) -> None:
    with claude(house[1]) as client:
        with client.messages.stream(model="claude-x", max_tokens=99, messages=QUESTION) as stream:
            final = stream.get_final_message()
        whole = client.messages.create(model="claude-x", max_tokens=99, messages=QUESTION)
    for answer in (final, whole):
        assert [block.type for block in answer.content] == ["thinking", "text"]
        assert answer.content[1].text == SAID  # type: ignore[union-attr]
        assert (answer.stop_reason, answer.model, answer.usage.output_tokens) == ("end_turn", "claude-x", 4)


@with_tools
def test_claude_reads_parallel_tools_and_asks_with_images_and_results(house: House) -> None:
    provider, url = house
    messages: Any = [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                {"type": "text", "text": "look"},
            ],
        },
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "x"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}]},
    ]
    tools: Any = [{"name": "weather", "description": "d", "input_schema": SCHEMA}]
    with claude(url) as client:
        with client.messages.stream(
            model="m", max_tokens=9, system="be brief", messages=messages, tools=tools
        ) as stream:
            final = stream.get_final_message()
        whole = client.messages.create(model="m", max_tokens=9, messages=messages, tools=tools)
    for answer in (final, whole):
        assert [(block.name, block.input) for block in answer.content if block.type == "tool_use"] == CALLS
        assert answer.stop_reason == "tool_use"
    asked = provider.asked[0]
    assert asked.tools == [TOOL]
    assert ImagePart(f"data:image/png;base64,{PIXEL}") in asked.messages[0].content or any(
        ImagePart(f"data:image/png;base64,{PIXEL}") in message.content for message in asked.messages
    )
    assert asked.messages[-1].tool_call_id == "t1"
    assert asked.max_tokens == 9


@refusing
def test_claude_raises_a_refusal(house: House) -> None:
    with claude(house[1]) as client, pytest.raises(anthropic.RateLimitError, match="slow down"):
        client.messages.create(model="m", max_tokens=9, messages=QUESTION, stream=True)


@failing
def test_claude_raises_an_error_behind_the_text(house: House) -> None:
    with (
        claude(house[1]) as client,
        pytest.raises(anthropic.APIStatusError, match="too busy"),
        client.messages.stream(model="m", max_tokens=9, messages=QUESTION) as stream,
    ):
        for _ in stream:
            pass


# Gemini


def test_gemini_reads_text_and_thoughts(house: House) -> None:
    client = gemini(house[1])
    chunks = list(client.models.generate_content_stream(model="gemini-x", contents="hi"))
    whole = client.models.generate_content(model="gemini-x", contents="hi")
    assert "".join(chunk.text or "" for chunk in chunks) == whole.text == SAID
    assert (whole.model_version, chunks[-1].model_version) == ("gemini-x", "gemini-x")
    for answer in (whole, chunks[-1]):
        assert answer.candidates is not None
        assert answer.candidates[0].finish_reason == genai_types.FinishReason.STOP
        assert answer.usage_metadata is not None
        assert answer.usage_metadata.total_token_count == 13
    client.close()


@with_tools
def test_gemini_reads_parallel_tools_and_asks_with_images(house: House) -> None:
    provider, url = house
    declared = genai_types.FunctionDeclaration(name="weather", description="d", parameters_json_schema=SCHEMA)
    config = genai_types.GenerateContentConfig(
        system_instruction="be brief", tools=[genai_types.Tool(function_declarations=[declared])], max_output_tokens=9
    )
    image = genai_types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")
    client = gemini(url)
    chunks = list(client.models.generate_content_stream(model="m", contents=["look", image], config=config))
    whole = client.models.generate_content(model="m", contents=["look", image], config=config)
    streamed = [(call.name, call.args) for chunk in chunks for call in chunk.function_calls or ()]
    assert streamed == [(call.name, call.args) for call in whole.function_calls or ()] == CALLS
    parts = provider.asked[0].messages[-1].content
    assert TextPart("look") in parts
    assert ImagePart(f"data:image/png;base64,{PIXEL}") in parts
    assert provider.asked[0].max_tokens == 9
    client.close()


@refusing
def test_gemini_raises_a_refusal(house: House) -> None:
    client = gemini(house[1])
    with pytest.raises(genai_errors.ClientError, match="slow down") as raised:
        list(client.models.generate_content_stream(model="m", contents="hi"))
    assert (raised.value.code, raised.value.status) == (429, "RESOURCE_EXHAUSTED")
    client.close()


@failing
def test_gemini_raises_an_error_behind_the_text(house: House) -> None:
    client = gemini(house[1])
    with pytest.raises(genai_errors.APIError, match="too busy"):
        list(client.models.generate_content_stream(model="m", contents="hi"))
    client.close()


# Ollama


def test_ollama_reads_text_and_thinking(house: House) -> None:
    with ollama_client(house[1]) as client:
        lines = list(client.chat(model="llama-x", messages=QUESTION, stream=True))
        whole = client.chat(model="llama-x", messages=QUESTION)
        said = "".join(line.response for line in client.generate(model="llama-x", prompt="hi", stream=True))
        assert said == client.generate(model="llama-x", prompt="hi").response == SAID
        assert [model.model for model in client.list().models] == ["house/inner-1"]
    assert "".join(line.message.content or "" for line in lines) == whole.message.content == SAID
    assert "".join(line.message.thinking or "" for line in lines) == whole.message.thinking == "hm"
    assert (whole.model, whole.done_reason, whole.eval_count) == ("llama-x", "stop", 4)


@with_tools
def test_ollama_reads_parallel_tools_and_asks_with_images(house: House) -> None:
    provider, url = house
    messages: Any = [{"role": "user", "content": "look", "images": [PIXEL]}]
    with ollama_client(url) as client:
        calls = [
            (call.function.name, dict(call.function.arguments))
            for line in client.chat(model="m", messages=messages, tools=[TOOL], stream=True)
            for call in line.message.tool_calls or ()
        ]
    assert calls == CALLS
    image = next(part for part in provider.asked[0].messages[-1].content if isinstance(part, ImagePart))
    assert image.url.endswith(PIXEL)


@refusing
def test_ollama_raises_a_refusal(house: House) -> None:
    with ollama_client(house[1]) as client, pytest.raises(ollama.ResponseError, match="slow down") as raised:
        list(client.chat(model="m", messages=QUESTION, stream=True))
    assert raised.value.status_code == 429


@failing
def test_ollama_raises_an_error_behind_the_text(house: House) -> None:
    with ollama_client(house[1]) as client, pytest.raises(ollama.ResponseError, match="too busy"):
        list(client.chat(model="m", messages=QUESTION, stream=True))


# All of them


def test_every_sdk_is_told_when_its_key_is_wrong(house: House) -> None:
    url = house[1]
    with openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError, match="token is missing or wrong"):
            client.chat.completions.create(model="m", messages=QUESTION)
        with pytest.raises(openai.AuthenticationError):
            client.models.list()
    with (
        anthropic.Anthropic(base_url=url, api_key="x", max_retries=0) as other,
        pytest.raises(anthropic.AuthenticationError, match="token is missing or wrong"),
    ):
        other.messages.create(model="m", max_tokens=9, messages=QUESTION)
    google = genai.Client(api_key="x", http_options=genai_types.HttpOptions(base_url=url))
    with pytest.raises(genai_errors.ClientError, match="UNAUTHENTICATED"):
        google.models.generate_content(model="m", contents="hi")
    google.close()
    with ollama_client(url, "x") as client, pytest.raises(ollama.ResponseError, match="token is missing or wrong"):
        client.chat(model="m", messages=QUESTION)


def test_sdks_list_the_models(house: House) -> None:
    url = house[1]
    with openai_client(url) as client, claude(url) as other:
        assert [model.id for model in client.models.list()] == ["house/inner-1"]
        assert [model.id for model in other.models.list()] == ["house/inner-1"]
        assert client.models.retrieve("house/inner-1").owned_by == "house"
    google = gemini(url)
    assert [model.name for model in google.models.list()] == ["models/house/inner-1"]
    google.close()


def test_a_client_that_leaves_stops_the_provider(serve: Serve, remembering: Any) -> None:
    for leave in (leave_openai, leave_claude, leave_gemini, leave_ollama):
        provider = remembering(*TEXT[:4], ever=True)
        leave(serve(gateway(Routes({"house": provider}, default="house"), token=TOKEN)))
        assert provider.closed.wait(10), leave.__name__


def leave_openai(url: str) -> None:
    with (
        openai_client(url) as client,
        client.chat.completions.create(model="m", messages=QUESTION, stream=True) as stream,
    ):
        next(stream)


def leave_claude(url: str) -> None:
    with (
        claude(url) as client,
        client.messages.create(model="m", max_tokens=9, messages=QUESTION, stream=True) as stream,
    ):
        next(stream)


def leave_gemini(url: str) -> None:
    client = gemini(url)
    stream = client.models.generate_content_stream(model="m", contents="hi")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    client.close()


def leave_ollama(url: str) -> None:
    with ollama_client(url) as client:
        stream = client.chat(model="m", messages=QUESTION, stream=True)
        next(stream)
        stream.close()  # type: ignore[attr-defined]
