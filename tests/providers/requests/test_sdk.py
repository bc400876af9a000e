"""What the real SDKs send is read as what their users asked for."""

from __future__ import annotations

from typing import Any

import anthropic
import ollama
import openai as openai_sdk
import pytest
from google import genai
from google.genai import types

from gai_stream.events import ToolCall
from gai_stream.providers import ChatRequest, ImagePart, Message, OtherPart, ReasoningPart, TextPart
from gai_stream.providers.requests import codec

PIXEL = "iVBORw0KGgo="
PICTURE = f"data:image/png;base64,{PIXEL}"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather.", "parameters": SCHEMA}}


def test_openai_chat(sent: Any) -> None:
    def ask(url: str) -> None:
        with openai_sdk.OpenAI(base_url=url, api_key="k", max_retries=0) as client:
            client.chat.completions.create(
                model="gpt-5",
                stream=True,
                messages=[
                    {"role": "developer", "content": "Be brief."},
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "Where?"},
                            {"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}},
                        ],
                    },
                    {
                        "role": "assistant",
                        "content": None,
                        "tool_calls": [
                            {
                                "id": "a",
                                "type": "function",
                                "function": {"name": "weather", "arguments": '{"city": "Bonn"}'},
                            },
                            {"id": "b", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
                            {"id": "c", "type": "custom", "custom": {"name": "grep", "input": "x"}},
                        ],
                    },
                    {"role": "tool", "tool_call_id": "a", "content": "rain"},
                    {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "sun"}]},
                    {"role": "tool", "tool_call_id": "c", "content": "y"},
                ],
                tools=[TOOL],  # type: ignore[list-item]
                tool_choice={"type": "function", "function": {"name": "weather"}},
                parallel_tool_calls=False,
                max_completion_tokens=50,
                reasoning_effort="low",
                response_format={"type": "json_object"},
                stop="END",
                stream_options={"include_usage": True},
            )

    path, body = sent(ask)
    assert path == "/chat/completions"
    assert codec("openai").parse(body) == ChatRequest(
        model="gpt-5",
        messages=[
            Message("developer", "Be brief."),
            Message("user", [TextPart("Where?"), ImagePart(PICTURE, "low")]),
            Message(
                "assistant",
                tool_calls=[
                    ToolCall("a", "weather", {"city": "Bonn"}, '{"city": "Bonn"}'),
                    ToolCall("b", "weather", {}, "{}"),
                    ToolCall("c", "grep", "x", "x", kind="custom"),
                ],
            ),
            Message("tool", "rain", tool_call_id="a"),
            Message("tool", [TextPart("sun")], tool_call_id="b"),
            Message("tool", "y", tool_call_id="c"),
        ],
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        parallel_tool_calls=False,
        max_tokens=50,
        reasoning_effort="low",
        response_format={"type": "json_object"},
        stop="END",
        extra={"stream_options": {"include_usage": True}},
    )


def test_openai_responses(sent: Any) -> None:
    def ask(url: str) -> None:
        with openai_sdk.OpenAI(base_url=url, api_key="k", max_retries=0) as client:
            client.responses.create(
                model="gpt-5",
                stream=True,
                instructions="Be brief.",
                input=[
                    {
                        "role": "user",
                        "content": [
                            {"type": "input_text", "text": "Where?"},
                            {"type": "input_image", "image_url": PICTURE, "detail": "auto"},
                        ],
                    },
                    {
                        "type": "reasoning",
                        "id": "rs_1",
                        "summary": [{"type": "summary_text", "text": "Hm."}],
                        "encrypted_content": "sealed",
                    },
                    {
                        "type": "message",
                        "id": "msg_1",
                        "role": "assistant",
                        "status": "completed",
                        "content": [{"type": "output_text", "text": "Let me see.", "annotations": []}],
                    },
                    {"type": "function_call", "call_id": "a", "name": "weather", "arguments": '{"city": "Bonn"}'},
                    {"type": "function_call", "call_id": "b", "name": "weather", "arguments": "{}"},
                    {"type": "function_call_output", "call_id": "a", "output": "rain"},
                    {
                        "type": "function_call_output",
                        "call_id": "b",
                        "output": [{"type": "input_image", "image_url": PICTURE, "detail": "low"}],
                    },
                ],
                tools=[
                    {"type": "function", "strict": True, **TOOL["function"]},  # type: ignore[dict-item]
                    {"type": "web_search"},
                ],
                tool_choice={"type": "function", "name": "weather"},
                max_output_tokens=50,
                reasoning={"effort": "low", "summary": "auto"},
                text={"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}, "verbosity": "low"},
                store=False,
            )

    path, body = sent(ask)
    assert path == "/responses"
    function = {**TOOL["function"], "strict": True}  # type: ignore[dict-item]
    assert codec("openai_responses").parse(body) == ChatRequest(
        model="gpt-5",
        system="Be brief.",
        messages=[
            Message("user", [TextPart("Where?"), ImagePart(PICTURE)]),
            Message(
                "assistant",
                [ReasoningPart("Hm.", "sealed", provider="openai", id="rs_1"), TextPart("Let me see.")],
                tool_calls=[
                    ToolCall("a", "weather", {"city": "Bonn"}, '{"city": "Bonn"}'),
                    ToolCall("b", "weather", {}, "{}"),
                ],
                extra={"id": "msg_1", "status": "completed"},
            ),
            Message("tool", "rain", tool_call_id="a"),
            Message("tool", [ImagePart(PICTURE, "low")], tool_call_id="b"),
        ],
        tools=[{"type": "function", "function": function}, {"type": "web_search"}],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        max_tokens=50,
        reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
        extra={"text": {"verbosity": "low"}, "reasoning": {"summary": "auto"}, "store": False},
    )


def test_openai_responses_of_a_string(sent: Any) -> None:
    def ask(url: str) -> None:
        with openai_sdk.OpenAI(base_url=url, api_key="k", max_retries=0) as client:
            client.responses.create(model="gpt-5", input="Where?")

    expected = ChatRequest(model="gpt-5", messages=[Message("user", "Where?")], stream=False)
    assert codec("openai_responses").parse(sent(ask).body) == expected


def test_anthropic(sent: Any) -> None:
    def ask(url: str) -> None:
        with anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as client:
            client.messages.create(
                model="claude-opus-4-8",
                stream=True,
                max_tokens=50,
                system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
                messages=[
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "Where?"},
                            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                            {"type": "image", "source": {"type": "url", "url": "https://example.org/cat.png"}},
                        ],
                    },
                    {
                        "role": "assistant",
                        "content": [
                            {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
                            {"type": "redacted_thinking", "data": "sealed"},
                            {"type": "text", "text": "Let me see."},
                            {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Bonn"}},
                            {"type": "tool_use", "id": "b", "name": "weather", "input": {}},
                        ],
                    },
                    {
                        "role": "user",
                        "content": [
                            {"type": "tool_result", "tool_use_id": "a", "content": "rain"},
                            {
                                "type": "tool_result",
                                "tool_use_id": "b",
                                "is_error": True,
                                "content": [{"type": "text", "text": "gone"}],
                            },
                            {"type": "text", "text": "Well?"},
                        ],
                    },
                ],
                tools=[
                    {"name": "weather", "description": "The weather.", "input_schema": SCHEMA},
                    {"type": "web_search_20250305", "name": "web_search"},
                ],
                tool_choice={"type": "any", "disable_parallel_tool_use": True},
                stop_sequences=["END"],
                thinking={"type": "adaptive"},
                output_config={"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
                metadata={"user_id": "u"},
            )

    path, body = sent(ask)
    assert path == "/v1/messages"
    assert codec("anthropic").parse(body) == ChatRequest(
        model="claude-opus-4-8",
        messages=[
            Message(
                "system", [OtherPart({"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}})]
            ),
            Message("user", [TextPart("Where?"), ImagePart(PICTURE), ImagePart("https://example.org/cat.png")]),
            Message(
                "assistant",
                [
                    ReasoningPart("Hm.", "sig", provider="anthropic"),
                    ReasoningPart("", redacted="sealed", provider="anthropic"),
                    TextPart("Let me see."),
                ],
                tool_calls=[ToolCall("a", "weather", {"city": "Bonn"}), ToolCall("b", "weather", {})],
            ),
            Message("tool", "rain", tool_call_id="a"),
            Message("tool", [TextPart("gone")], tool_call_id="b", is_error=True),
            Message("user", [TextPart("Well?")]),
        ],
        max_tokens=50,
        tools=[TOOL, {"type": "web_search_20250305", "name": "web_search"}],
        tool_choice="required",
        parallel_tool_calls=False,
        stop=["END"],
        reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": {"name": "response", "schema": SCHEMA}},
        extra={"metadata": {"user_id": "u"}},
    )


def test_gemini(sent: Any) -> None:
    def ask(url: str) -> None:
        with genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url)) as client:
            list(
                client.models.generate_content_stream(
                    model="gemini-3-pro",
                    contents=[
                        types.Content(
                            role="user",
                            parts=[
                                types.Part(text="Where?"),
                                types.Part.from_bytes(data=b"\xfb\xff\xfe\x89", mime_type="image/png"),
                                types.Part.from_uri(file_uri="https://example.org/cat.png", mime_type="image/png"),
                            ],
                        ),
                        types.Content(
                            role="model",
                            parts=[
                                types.Part(text="Hm.", thought=True),
                                types.Part(text="Let me see."),
                                types.Part(
                                    function_call=types.FunctionCall(name="weather", args={"city": "Bonn"}),
                                    thought_signature=b"sig",
                                ),
                                types.Part(function_call=types.FunctionCall(name="weather", args={})),
                            ],
                        ),
                        types.Content(
                            role="user",
                            parts=[
                                types.Part.from_function_response(name="weather", response={"output": "rain"}),
                                types.Part.from_function_response(name="weather", response={"error": "gone"}),
                            ],
                        ),
                    ],
                    config=types.GenerateContentConfig(
                        system_instruction="Be brief.",
                        tools=[
                            types.Tool(
                                function_declarations=[
                                    types.FunctionDeclaration(
                                        name="weather",
                                        description="The weather.",
                                        parameters=types.Schema(
                                            type=types.Type.OBJECT,
                                            properties={"city": types.Schema(type=types.Type.STRING)},
                                            required=["city"],
                                        ),
                                    )
                                ]
                            ),
                            types.Tool(google_search=types.GoogleSearch()),
                        ],
                        tool_config=types.ToolConfig(
                            function_calling_config=types.FunctionCallingConfig(
                                mode=types.FunctionCallingConfigMode.ANY, allowed_function_names=["weather"]
                            )
                        ),
                        temperature=0.5,
                        top_p=0.9,
                        top_k=40,
                        max_output_tokens=50,
                        stop_sequences=["END"],
                        response_mime_type="application/json",
                        response_json_schema=SCHEMA,
                        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_level="low"),
                        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
                    ),
                )
            )

    path, body = sent(ask)
    assert path == "/v1/models/gemini-3-pro:streamGenerateContent?alt=sse"
    request = codec("gemini").parse(body, model="gemini-3-pro")
    calls = request.messages[1].tool_calls
    assert calls is not None
    first, second = calls
    assert first.id != second.id
    assert request == ChatRequest(
        model="gemini-3-pro",
        system="Be brief.",
        messages=[
            Message(
                "user",
                [
                    TextPart("Where?"),
                    # The SDK writes the URL-safe kind of base64, which nobody else reads.
                    ImagePart("data:image/png;base64,+//+iQ=="),
                    ImagePart("https://example.org/cat.png"),
                ],
            ),
            Message(
                "assistant",
                [ReasoningPart("Hm.", provider="gemini"), TextPart("Let me see.")],
                tool_calls=[
                    ToolCall(first.id, "weather", {"city": "Bonn"}, signature="c2ln"),
                    ToolCall(second.id, "weather", {}),
                ],
            ),
            Message("tool", "rain", tool_call_id=first.id),
            Message("tool", "gone", tool_call_id=second.id, is_error=True),
        ],
        tools=[{"googleSearch": {}}, TOOL],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        temperature=0.5,
        top_p=0.9,
        max_tokens=50,
        stop=["END"],
        response_format={"type": "json_schema", "json_schema": {"name": "response", "schema": SCHEMA}},
        reasoning_effort="low",
        extra={"generationConfig": {"topK": 40}},
    )


def test_ollama_chat(sent: Any) -> None:
    def ask(url: str) -> None:
        with ollama.Client(host=url) as client:
            list(
                client.chat(
                    model="qwen3",
                    messages=[
                        {"role": "system", "content": "Be brief."},
                        {"role": "user", "content": "Where?", "images": [b"\x89PNG\r\n\x1a\n"]},
                        {
                            "role": "assistant",
                            "thinking": "Hm.",
                            "content": "Let me see.",
                            "tool_calls": [
                                {"function": {"name": "weather", "arguments": {"city": "Bonn"}}},
                                {"function": {"name": "time", "arguments": {}}},
                            ],
                        },
                        {"role": "tool", "tool_name": "time", "content": "noon"},
                        {"role": "tool", "tool_name": "weather", "content": "rain"},
                    ],
                    tools=[TOOL],
                    stream=True,
                    think="low",
                    format=SCHEMA,
                    options={"temperature": 0.5, "num_predict": 50, "stop": ["END"], "num_ctx": 4096},
                    keep_alive="5m",
                )
            )

    path, body = sent(ask)
    assert path == "/api/chat"
    request = codec("ollama").parse(body)
    calls = request.messages[2].tool_calls
    assert calls is not None
    weather, time = calls
    assert request == ChatRequest(
        model="qwen3",
        messages=[
            Message("system", "Be brief."),
            Message("user", [TextPart("Where?"), ImagePart(PICTURE)]),
            Message(
                "assistant",
                [ReasoningPart("Hm.", provider="ollama"), TextPart("Let me see.")],
                tool_calls=[ToolCall(weather.id, "weather", {"city": "Bonn"}), ToolCall(time.id, "time", {})],
            ),
            Message("tool", "noon", tool_call_id=time.id),
            Message("tool", "rain", tool_call_id=weather.id),
        ],
        tools=[TOOL],
        reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": {"name": "response", "schema": SCHEMA}},
        temperature=0.5,
        max_tokens=50,
        stop=["END"],
        extra={"options": {"num_ctx": 4096}, "keep_alive": "5m"},
    )


@pytest.mark.parametrize("stream", [True, False])
def test_ollama_generate(sent: Any, stream: bool) -> None:
    def ask(url: str) -> None:
        with ollama.Client(host=url) as client:
            list(
                client.generate(  # type: ignore[call-overload]
                    model="qwen3",
                    prompt="Where?",
                    suffix="!",
                    system="Be brief.",
                    images=[b"\x89PNG\r\n\x1a\n"],
                    think=False,
                    stream=stream,
                    format="json",
                )
            )

    path, body = sent(ask)
    assert path == "/api/generate"
    assert codec("ollama").parse(body, generate=True) == ChatRequest(
        model="qwen3",
        system="Be brief.",
        messages=[Message("user", [TextPart("Where?"), ImagePart(PICTURE)])],
        reasoning_effort="none",
        response_format={"type": "json_object"},
        stream=stream,
        extra={"suffix": "!"},
    )
