"""The body of OpenAI's Chat Completions."""

from __future__ import annotations

import json
from typing import Any

from gai_stream.events import ToolCall
from gai_stream.providers import ChatRequest, ImagePart, Message, OtherPart, TextPart, parse_chat_request
from gai_stream.providers.requests import openai


def body(request: ChatRequest, **options: Any) -> dict[str, Any]:
    return openai.body(request, **{"model": None, "usage": False, "newest": False, **options})


def test_a_question_is_a_message_and_a_wish_to_stream() -> None:
    assert body(ChatRequest.from_text("q")) == {"messages": [{"role": "user", "content": "q"}], "stream": True}


def test_the_models_of_request_and_provider() -> None:
    assert body(ChatRequest.from_text("q"), model="default")["model"] == "default"
    assert body(ChatRequest.from_text("q", model="asked"), model="default")["model"] == "asked"


def test_usage_is_asked_for() -> None:
    assert body(ChatRequest.from_text("q"), usage=True)["stream_options"] == {"include_usage": True}


def test_max_tokens_has_two_names() -> None:
    request = ChatRequest(messages=[Message("user", "q")], max_tokens=5)
    assert body(request) == {**body(ChatRequest.from_text("q")), "max_tokens": 5}
    assert body(request, newest=True) == {**body(ChatRequest.from_text("q")), "max_completion_tokens": 5}


def test_what_is_zero_is_not_absent() -> None:
    request = ChatRequest(messages=[Message("user", "q")], temperature=0.0, top_p=0.0, stop=[], tools=[])
    sent = body(request)
    assert (sent["temperature"], sent["top_p"], sent["stop"], sent["tools"]) == (0.0, 0.0, [], [])
    assert "tool_choice" not in sent


def test_extra_wins_over_all_but_stream() -> None:
    request = ChatRequest(
        messages=[Message("user", "q")],
        temperature=1.0,
        extra={"temperature": 2, "seed": 1, "stream": False, "stream_options": {}},
    )
    sent = body(request, usage=True)
    assert (sent["temperature"], sent["seed"], sent["stream"], sent["stream_options"]) == (2, 1, True, {})


def test_what_is_for_the_application_is_not_sent() -> None:
    request = parse_chat_request(b'{"query":"q","provider":"p","conversation_id":"c","context":{}}')
    assert body(request) == body(ChatRequest.from_text("q"))


def test_a_conversation_with_tools_and_images_leaves_as_it_came() -> None:
    sent = {
        "messages": [
            {"role": "system", "content": "s"},
            {
                "role": "user",
                "name": "Ada",
                "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image_url", "image_url": {"url": "https://example.org/1"}},
                    {"type": "image_url", "image_url": {"url": "https://example.org/2", "detail": "low"}},
                    {"type": "file", "file": {"file_id": "f"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "r",
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"b": 1.0,  "a":2}'}}
                ],
            },
            {"role": "tool", "content": "42", "tool_call_id": "c"},
        ],
        "stream": True,
    }
    assert body(parse_chat_request(json.dumps(sent).encode())) == sent


def test_messages_built_by_hand() -> None:
    calls = [ToolCall("c", "f", {"a": [1]}), ToolCall("d", "g", {}, "{ }")]
    parts = [TextPart("t"), ImagePart("u"), OtherPart({"type": "x"})]
    request = ChatRequest(messages=[Message("user", parts), Message("assistant", "said", tool_calls=calls)])
    user, assistant = body(request)["messages"]
    assert user["content"] == [
        {"type": "text", "text": "t"},
        {"type": "image_url", "image_url": {"url": "u"}},
        {"type": "x"},
    ]
    assert assistant["content"] == "said"
    assert [call["function"]["arguments"] for call in assistant["tool_calls"]] == ['{"a":[1]}', "{ }"]
