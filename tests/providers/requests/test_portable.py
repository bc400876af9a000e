"""What any other vocabulary understands of a request."""

from __future__ import annotations

from typing import Any

import pytest

from gai_stream.events import ToolCall
from gai_stream.providers import ChatRequest, ImagePart, Message, OtherPart, Part, ReasoningPart, TextPart
from gai_stream.providers.requests import codec, names, portable

PIXEL = "iVBORw0KGgo="
PICTURE = f"data:image/png;base64,{PIXEL}"


def content(*parts: Part, role: str = "user") -> Any:
    return portable(ChatRequest(messages=[Message(role, [*parts])])).messages[0].content


def test_what_everybody_understands_stays(rich: ChatRequest) -> None:
    assert portable(rich) == rich
    assert portable(ChatRequest.from_text("q")) == ChatRequest.from_text("q")


def test_extras_are_left_out() -> None:
    request = ChatRequest(messages=[Message("user", "q", extra={"x": 1})], extra={"y": 2}, provider="p", context=3)
    assert portable(request) == ChatRequest(messages=[Message("user", "q")], provider="p", context=3)


@pytest.mark.parametrize(
    "data",
    [
        {"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}},
        {"type": "input_text", "text": "t", "x": 1},
        {"type": "output_text", "text": "t"},
        {"type": "refusal", "refusal": "t"},
        {"text": "t", "thoughtSignature": "s"},
    ],
)
def test_text_with_more_is_text(data: dict[str, Any]) -> None:
    assert content(OtherPart(data), ImagePart("u")) == [TextPart("t"), ImagePart("u")]


@pytest.mark.parametrize(
    "data",
    [
        {"type": "image_url", "image_url": {"url": PICTURE}, "cache_control": {}},
        {"type": "image_url", "image_url": PICTURE},
        {"type": "input_image", "image_url": PICTURE, "x": 1},
        {"type": "image", "source": {"type": "url", "url": PICTURE}, "cache_control": {}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}, "cache_control": {}},
        {"inlineData": {"mimeType": "image/png", "data": PIXEL}, "mediaResolution": {}},
    ],
)
def test_an_image_with_more_is_an_image(data: dict[str, Any]) -> None:
    assert content(OtherPart(data)) == [ImagePart(PICTURE)]


@pytest.mark.parametrize(
    "data",
    [
        {"type": "input_audio", "input_audio": {}},
        {"type": "document", "text": "t"},
        {"inlineData": {"mimeType": "audio/wav", "data": ""}},
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
    ],
)
def test_other_parts_are_left_out(data: dict[str, Any]) -> None:
    assert content(TextPart("t"), OtherPart(data)) == "t"
    assert content(OtherPart(data)) == ""


def test_a_turn_of_nothing_but_text_is_a_string() -> None:
    assert content(TextPart("a"), TextPart("b")) == "a\n\nb"
    assert content(TextPart("a"), TextPart("b"), role="assistant") == "ab"
    assert content(ReasoningPart("r", "s"), TextPart("a"), role="assistant") == [ReasoningPart("r", "s"), TextPart("a")]


def test_an_assistant_with_nothing_left_to_say_is_left_out() -> None:
    other = OtherPart({"type": "web_search_call"})
    request = ChatRequest(
        messages=[
            Message("user", "q"),
            Message("assistant", [other]),
            Message("assistant", [other], tool_calls=[ToolCall("s", "search", {}, kind="server")]),
            Message("assistant", [other], tool_calls=[ToolCall("a", "f", {})]),
        ]
    )
    assert portable(request).messages == [
        Message("user", "q"),
        Message("assistant", tool_calls=[ToolCall("a", "f", {})]),
    ]
    assert portable(ChatRequest(messages=[Message("assistant", [other])])).messages == [Message("user", "")]


def test_tools_of_one_provider_are_left_out() -> None:
    function = {"name": "f", "description": "d", "parameters": {}, "strict": True}
    request = ChatRequest(
        messages=[Message("user", "q")],
        tools=[
            {"type": "web_search"},
            {"type": "function", "function": {**function, "x": 1}, "cache_control": {}},
            {"type": "function", "function": {"name": "g", "strict": None}},
            {"type": "custom", "custom": {"name": "grep"}},
        ],
        tool_choice="auto",
        parallel_tool_calls=True,
    )
    told = portable(request)
    assert told.tools is not None
    assert told.tools[:2] == [
        {"type": "function", "function": function},
        {"type": "function", "function": {"name": "g"}},
    ]
    assert told.tools[2]["function"]["name"] == "grep"
    assert (told.tool_choice, told.parallel_tool_calls) == ("auto", True)


def test_without_tools_there_is_nothing_to_choose() -> None:
    request = ChatRequest(
        messages=[Message("user", "q")],
        tools=[{"type": "web_search"}],
        tool_choice="required",
        parallel_tool_calls=True,
    )
    assert portable(request) == ChatRequest(messages=[Message("user", "q")])


def test_a_choice_that_others_do_not_know_is_left_out() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    request = ChatRequest(messages=[Message("user", "q")], tools=[tool], tool_choice={"type": "web_search"})
    assert portable(request).tool_choice is None


def test_what_claude_code_asks_is_understood_everywhere() -> None:
    cache = {"cache_control": {"type": "ephemeral"}}
    asked = codec("anthropic").parse(
        {
            "model": "claude-opus-4-8",
            "max_tokens": 32000,
            "stream": True,
            "system": [
                {"type": "text", "text": "You are Claude Code."},
                {"type": "text", "text": "Be brief.", **cache},
            ],
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "<system-reminder>"}, {"type": "text", "text": "q"}],
                },
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "t", "signature": "s"},
                        {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "toolu_1",
                            "content": [
                                {
                                    "type": "image",
                                    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
                                }
                            ],
                            **cache,
                        }
                    ],
                },
            ],
            "tools": [{"name": "Read", "description": "d", "input_schema": {"type": "object"}, **cache}],
            "metadata": {"user_id": "u"},
            "thinking": {"type": "enabled", "budget_tokens": 31999},
        }
    )
    assert codec("openai").body(portable(asked), model="m", usage=False) == {
        "model": "claude-opus-4-8",
        "messages": [
            {"role": "system", "content": "You are Claude Code.\n\nBe brief."},
            {"role": "user", "content": "<system-reminder>\n\nq"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "toolu_1", "type": "function", "function": {"name": "Read", "arguments": '{"path":"a"}'}}
                ],
            },
            {"role": "tool", "content": "", "tool_call_id": "toolu_1"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE}}]},
        ],
        "max_tokens": 32000,
        "tools": [
            {"type": "function", "function": {"name": "Read", "description": "d", "parameters": {"type": "object"}}}
        ],
        "reasoning_effort": "high",
        "stream": True,
    }
    for name in names():
        assert codec(name).body(portable(asked))


def test_codecs_are_found_by_the_names_of_dialects() -> None:
    assert names() == ["anthropic", "antigravity", "gemini", "glm", "ollama", "openai", "openai_responses"]
    assert codec("glm") is codec("openai")
    for name in names():
        assert callable(codec(name).body)
        assert callable(codec(name).parse)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^requests are known of anthropic, .*, openai_responses, not of 'gai'$"):
        codec("gai")
